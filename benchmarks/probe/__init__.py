"""What the benchmarks add to a rendered service: tasks that wait, and ways to have them sent."""

from app.probe import tasks

__all__ = ["tasks"]
