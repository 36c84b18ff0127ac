"""The only door to background work."""

from app.jobs.declare import task
from app.jobs.models import Job, Status
from app.jobs.schemas import JobRead
from app.jobs.task import Supplied, Task, current_job_id

__all__ = ["Job", "JobRead", "Status", "Supplied", "Task", "current_job_id", "task"]
