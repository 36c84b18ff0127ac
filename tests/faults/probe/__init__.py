"""What the tests add to a rendered service: tasks that tell, and deaths on demand."""

from app.probe import deaths, deploys, poison, room, tasks, ticks

__all__ = ["deaths", "deploys", "poison", "room", "tasks", "ticks"]
