"""Background work. Declare a task here, and enqueue it with a unit of work.

A job is a row, written in the transaction of the data that it belongs to. So it is kept on commit
and dropped on rollback, and it runs although the process, the worker or the broker fails.

Import from here and nothing from the modules below. Only `app/web`, `app/main.py` and
`app/engine.py` use `app.jobs.runtime`, which sends jobs and runs them.
"""

from app.jobs.declare import task
from app.jobs.models import Job, Status
from app.jobs.schemas import JobRead
from app.jobs.task import Task, current_job_id, registry
from app.jobs.uow import UnitOfWork, unit_of_work

__all__ = [
    "Job",
    "JobRead",
    "Status",
    "Task",
    "UnitOfWork",
    "current_job_id",
    "registry",
    "task",
    "unit_of_work",
]
