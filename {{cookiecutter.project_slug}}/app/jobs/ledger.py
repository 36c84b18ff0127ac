"""The only transitions that a job may make.

    queued -> running -> succeeded
                      -> queued     it failed, with tries left
                      -> failed     until somebody retries it

Each is one conditional UPDATE: whoever comes second changes nothing.
"""

import random
import uuid
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db import utc_now as now
from app.jobs.models import OPEN, Job, Status

LONGEST_BACKOFF = timedelta(minutes=10)
LONGEST_ERROR = 1000


class LeaseLost(Exception):
    """Somebody else has the job by now: what this try did must not be recorded."""


def backoff(attempts: int) -> timedelta:
    """1, 2, 4 ... seconds, up to half of it left out at random, so that failures spread."""
    longest = min(timedelta(seconds=2 ** min(attempts - 1, 30)), LONGEST_BACKOFF)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret hangs on it


def may_start() -> ColumnElement[bool]:
    """Its time has come, and the job that it follows has succeeded."""
    before = aliased(Job)
    # Not EXISTS, for which PostgreSQL may read all jobs that have succeeded.
    outcome = select(before.status).where(before.id == Job.after_id).scalar_subquery()
    return and_(Job.run_at <= now(), or_(Job.after_id.is_(None), outcome == Status.SUCCEEDED))


def is_orphaned() -> ColumnElement[bool]:
    return and_(Job.status == Status.RUNNING, Job.lease_until <= now())


TRIED_ENOUGH = Job.attempts >= Job.max_tries


def in_order(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.run_at, job.created_at))


async def claim(session: AsyncSession, job_id: uuid.UUID, lease: timedelta) -> Job | None:
    """Begin a try, unless another delivery of the job has begun or finished it."""
    queued = and_(Job.status == Status.QUEUED, may_start())
    return await session.scalar(
        update(Job)
        .where(Job.id == job_id, OPEN, or_(queued, and_(is_orphaned(), ~TRIED_ENOUGH)))
        .values(
            status=Status.RUNNING,
            attempts=Job.attempts + 1,
            lease_until=now() + lease,
            started_at=now(),
        )
        .returning(Job)
    )


async def renew(session: AsyncSession, job: Job, lease: timedelta) -> None:
    await _leave_as(session, job, lease_until=now() + lease)


async def succeed(session: AsyncSession, job: Job, lease: timedelta) -> list[Job]:
    """Record the success; return the jobs that waited for it, taken in hand."""
    await _leave_as(
        session, job, status=Status.SUCCEEDED, lease_until=None, error=None, finished_at=now()
    )
    followers = await session.scalars(
        update(Job)
        .where(Job.after_id == job.id, OPEN, Job.lease_until.is_(None), Job.run_at <= now())
        .values(lease_until=now() + lease)
        .returning(Job)
    )
    return in_order(followers)


async def fail(session: AsyncSession, job: Job, error: str, *, for_good: bool = False) -> Status:
    """Record the failure; return what became of the job."""
    # No database has text with half a character in it, nor PostgreSQL with a NUL.
    error = error.encode(errors="replace").decode().replace("\0", "")[:LONGEST_ERROR]
    if for_good or job.attempts >= job.max_tries:
        status = Status.FAILED
        outcome = {"finished_at": now()}
    else:
        status = Status.QUEUED
        outcome = {"run_at": now() + backoff(job.attempts)}
    await _leave_as(session, job, status=status, lease_until=None, error=error, **outcome)
    return status


async def give_back(session: AsyncSession, job: Job) -> None:
    """Let another process begin at once, because this one must stop."""
    await _leave_as(session, job, status=Status.QUEUED, lease_until=None)


async def _leave_as(session: AsyncSession, job: Job, **values: object) -> None:
    is_held = and_(Job.id == job.id, Job.status == Status.RUNNING, Job.attempts == job.attempts)
    held = await session.scalar(update(Job).where(is_held).values(values).returning(Job.id))
    if held is None:
        raise LeaseLost


def queue_again(job: Job, tries: int) -> None:
    """Give a failed job, whose row the caller has locked, another round of tries."""
    job.status = Status.QUEUED
    job.max_tries = job.attempts + tries
    job.run_at = now()
    job.finished_at = None
