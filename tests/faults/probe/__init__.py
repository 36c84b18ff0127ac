"""What the tests add to a rendered service: tasks that tell, and deaths on demand."""

from app.probe import deaths, deploys, poison, tasks, ticks

__all__ = ["deaths", "deploys", "poison", "tasks", "ticks"]
