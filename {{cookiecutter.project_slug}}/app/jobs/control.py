"""What services and operators may do with jobs: find, cancel and retry them, and run them now.

Each change is a conditional UPDATE: what a worker has begun or ended meanwhile is left alone.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, selectinload

from app.database import FromNow, utc_now
from app.errors import Conflict, NotFound
from app.jobs.models import IS_QUEUED, NOT_SUCCEEDED, OPEN, Job, Schedule, Status
from app.jobs.task import registry

NOW = sa.literal(timedelta(0), FromNow)
# A short transaction does not keep others from writing.
SLICE = 1000
MAY_BE_RETRIED = Job.status.in_([Status.FAILED, Status.CANCELLED])


def newest_first(status: Status | None, task: str | None) -> sa.Select[Any]:
    query = sa.select(Job).order_by(Job.created_at.desc(), Job.id.desc())
    if status:
        query = query.where(Job.status == status)
    if status not in (None, Status.SUCCEEDED):
        query = query.where(NOT_SUCCEEDED)
    return query.where(Job.task == task) if task else query


async def find(session: AsyncSession, job_id: uuid.UUID) -> Job:
    """The job as it is stored now, with its predecessors."""
    with_predecessors = selectinload(Job.predecessors)
    job = await session.get(Job, job_id, options=[with_predecessors], populate_existing=True)
    if job is None:
        raise NotFound("There is no such job.")
    return job


async def cancel(session: AsyncSession, job_id: uuid.UUID) -> bool:
    """Cancel a queued job, or ask a running one to stop. Returns whether the job was open."""
    changed = await _change(
        session,
        (Job.id == job_id) & OPEN,
        cancel_requested=True,
        status=sa.case((IS_QUEUED, Status.CANCELLED), else_=Job.status),
        error=sa.case((IS_QUEUED, Status.CANCELLED), else_=Job.error),
        finished_at=sa.case((IS_QUEUED, NOW), else_=None),
        lease_until=sa.case((IS_QUEUED, None), else_=Job.lease_until),
    )
    return changed > 0


async def run_now(session: AsyncSession, job_id: uuid.UUID) -> bool:
    """Start a job that waits for its time or for its next try. Returns whether it was queued."""
    return await _change(session, (Job.id == job_id) & IS_QUEUED, run_at=NOW) > 0


async def retry(session: AsyncSession, job_id: uuid.UUID) -> bool:
    """Queue a failed or cancelled job again, with all its tries. Returns whether it was one."""
    try:
        async with session.begin_nested():
            return await _retry(session, Job.id == job_id) > 0
    except IntegrityError:
        raise Conflict("Another job of this task and key is open.") from None


async def retry_failed(
    session: AsyncSession, task: str, limit: int = SLICE, until: datetime | None = None
) -> int:
    """Retry the oldest failed jobs of a task. Returns how many there were, up to the limit.

    What has failed after `until` is left alone.
    """
    other = aliased(Job)
    # Of the jobs with a key, only one may be open: the newest is retried.
    is_newer = (other.status == Status.FAILED) & (other.created_at > Job.created_at)
    has_other = sa.exists().where(
        other.task == Job.task,
        other.key == Job.key,
        other.id != Job.id,
        other.finished_at.is_(None) | is_newer,
    )
    may_open = Job.key.is_(None) | ~has_other
    if until:
        may_open &= Job.finished_at <= until
    failed = sa.select(Job.id).where(Job.status == Status.FAILED, Job.task == task, may_open)
    oldest = failed.order_by(Job.created_at).limit(limit).with_for_update(skip_locked=True)
    return await _retry(session, Job.id.in_(sa.select(oldest.cte("oldest").c.id)))


async def run_schedule(session: AsyncSession, task: str) -> int:
    """Make a schedule due, unless its last run is still in progress. Returns 1 or 0."""
    now = utc_now()
    is_running = sa.exists().where(Job.id == Schedule.job_id, OPEN)
    is_later = (Schedule.task == task) & (Schedule.next_at > now) & ~is_running
    change = sa.update(Schedule).where(is_later).values(next_at=now).returning(Schedule.task)
    return len((await session.scalars(change)).all())


async def _retry(session: AsyncSession, condition: sa.ColumnElement[bool]) -> int:
    tries = {name: task.max_tries for name, task in registry.items()}
    return await _change(
        session,
        condition & MAY_BE_RETRIED,
        status=Status.QUEUED,
        run_at=NOW,
        finished_at=None,
        cancel_requested=False,
        unknown_since=None,
        max_tries=Job.attempts + sa.case(tries, value=Job.task, else_=1),
    )


async def _change(
    session: AsyncSession, condition: sa.ColumnElement[bool], **values: object
) -> int:
    change = sa.update(Job).where(condition).values(**values).returning(Job.id)
    return len((await session.scalars(change)).all())


Action = Literal["cancel", "retry", "run-now"]
CHANGES: dict[Action, Callable[[AsyncSession, uuid.UUID], Awaitable[bool]]] = {
    "cancel": cancel,
    "retry": retry,
    "run-now": run_now,
}
