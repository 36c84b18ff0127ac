"""What the benchmarks add to a rendered service: a task that waits, and routes."""

from app.probe import tasks

__all__ = ["tasks"]
