"""What the tests add to a rendered service: tasks that tell, and deaths on demand."""

from app.probe import deaths, tasks, ticks

__all__ = ["deaths", "tasks", "ticks"]
