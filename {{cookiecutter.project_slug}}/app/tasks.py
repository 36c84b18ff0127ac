"""Every task of the service: each module that declares some is imported here."""

from app.jobs import housekeeping
from app.jobs.task import tasks
from app.users import tasks as users

__all__ = ["housekeeping", "tasks", "users"]
