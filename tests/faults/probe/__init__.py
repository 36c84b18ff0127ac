"""Added to a rendered service by the tests: tasks that write notes, and crashes on demand."""

from app.probe import deaths, deploys, holds, poison, queues, room, tasks, ticks

__all__ = ["deaths", "deploys", "holds", "poison", "queues", "room", "tasks", "ticks"]
