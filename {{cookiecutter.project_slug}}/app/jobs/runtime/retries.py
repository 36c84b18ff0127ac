"""When a failed job is tried again."""

from datetime import timedelta

from app.jobs.backoff import spread
from app.jobs.models import Job
from app.jobs.running import GiveUp, TryAgain
from app.jobs.task import registry
from app.settings import get_settings

MIN_PUT_OFF, MAX_PUT_OFF = timedelta(seconds=1), timedelta(seconds=10)


class UnknownCall(Exception):
    """This code does not know the task or its arguments. During a deploy, other code may."""


def wait_after(job: Job, error: BaseException) -> timedelta | None:
    """The time until the next try. None if there is none."""
    if isinstance(error, UnknownCall):
        return _until_known(job)
    left = job.max_tries - job.attempts
    if left <= 0 or isinstance(error, GiveUp):
        return None
    if isinstance(error, TryAgain):
        return error.delay
    task = registry[job.task]
    # Tries that did not count, or that came before a retry by hand, do not prolong it.
    return task.backoff(max(task.max_tries - left, 1))


def _until_known(job: Job) -> timedelta | None:
    """As long as it has already waited for code that knows it, within bounds."""
    since = job.unknown_since or job.started_at
    waited = job.started_at - since if job.started_at and since else timedelta(0)
    if waited.total_seconds() >= get_settings().jobs_unknown_seconds:
        return None
    return spread(min(max(waited, MIN_PUT_OFF), MAX_PUT_OFF))
