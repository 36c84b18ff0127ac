"""Background work. Declare a task here, and enqueue it with a unit of work.

A job is a row, written in the transaction of the data that it belongs to. So it is kept on commit
and dropped on rollback, and it runs although the process, the worker or the broker fails.

Import from here and nothing from the modules below. Only `app/web`, `app/main.py` and
`app/engine.py` use `app.jobs.runtime`, which sends jobs and runs them.
"""

from app.jobs.declare import task
from app.jobs.models import Job, Status
from app.jobs.running import GiveUp, TryAgain, current_job_id, report_progress
from app.jobs.schemas import JobDetails, JobRead
from app.jobs.task import Harmless, Task, registry
from app.jobs.uow import UnitOfWork, unit_of_work

__all__ = [
    "GiveUp",
    "Harmless",
    "Job",
    "JobDetails",
    "JobRead",
    "Status",
    "Task",
    "TryAgain",
    "UnitOfWork",
    "current_job_id",
    "registry",
    "report_progress",
    "task",
    "unit_of_work",
]
