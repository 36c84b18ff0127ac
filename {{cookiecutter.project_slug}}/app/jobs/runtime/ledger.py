"""The transitions of a job, and which jobs are due.

    queued -> running -> succeeded
                      -> queued     failed with tries left, or given back
                      -> failed     no tries left, until somebody retries it

Each is a conditional UPDATE: whoever comes second changes nothing. The statements are built once
and executed without a session, because most of a job's cost is SQLAlchemy's.
"""

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from app.database import Timestamp
from app.database import utc_now as now
from app.jobs.models import OPEN, Job, Status
from app.jobs.task import registry
from app.settings import get_settings

MAX_BACKOFF = timedelta(minutes=10)
MAX_ERROR_LENGTH = 1000

NOW = bindparam("now", callable_=now, type_=Timestamp)
UNTIL = bindparam("until", callable_=lambda: now() + get_settings().jobs_lease, type_=Timestamp)
JOBS = bindparam("jobs", type_=Uuid, expanding=True)
# Pairs of a job and the number of its try.
TRIES: BindParameter[Any] = bindparam("tries", expanding=True)

predecessor, follower = aliased(Job), aliased(Job)
# Not EXISTS, for which PostgreSQL may read all jobs that have succeeded.
STATUS_BEFORE = select(predecessor.status).where(predecessor.id == Job.after_id).scalar_subquery()
MAY_START = and_(Job.run_at <= NOW, or_(Job.after_id.is_(None), STATUS_BEFORE == Status.SUCCEEDED))
IS_QUEUED = and_(OPEN, Job.status == Status.QUEUED)
IS_LEASED = Job.lease_until.is_not(None)
IS_ORPHANED = and_(OPEN, Job.status == Status.RUNNING, Job.lease_until <= NOW)
IS_EXHAUSTED = Job.attempts >= Job.max_tries

# Never sent, due again, or of a worker that is gone.
TO_SEND = or_(and_(IS_QUEUED, ~IS_LEASED, MAY_START), IS_ORPHANED)
# Sent but not claimed for as long as a lease: still in the broker's queue, or lost.
PERHAPS_LOST = and_(IS_QUEUED, Job.lease_until <= NOW)

# It skips a row that another process has locked, so that this one does not hold up the others.
claimable = (
    select(Job.id)
    .where(
        Job.id.in_(JOBS),
        or_(and_(IS_QUEUED, MAY_START), and_(IS_ORPHANED, ~IS_EXHAUSTED)),
    )
    .with_for_update(skip_locked=True, key_share=True)
    .cte("claimable")
)
CLAIM = (
    update(Job)
    .where(Job.id.in_(select(claimable.c.id)))
    .values(status=Status.RUNNING, attempts=Job.attempts + 1, lease_until=UNTIL, started_at=NOW)
    .returning(Job)
)
# Only the try that holds the lease may change a running job.
CHANGE = (
    update(Job)
    # The first condition is for the index, the second is the fence.
    .where(Job.id.in_(JOBS), tuple_(Job.id, Job.attempts).in_(TRIES))
    .where(Job.status == Status.RUNNING)
    .returning(Job.id)
)
RENEW = CHANGE.values(lease_until=UNTIL)
GIVE_BACK = CHANGE.values(lease_until=None, status=Status.QUEUED)
END = CHANGE.values(lease_until=None, error=bindparam("reason"))
TRY_AGAIN = END.values(status=Status.QUEUED, run_at=bindparam("at"))
FAIL = END.values(status=Status.FAILED, finished_at=NOW)
SUCCEED = CHANGE.values(
    status=Status.SUCCEEDED, lease_until=None, error=None, finished_at=NOW
).returning(
    # SQLAlchemy leaves out the name of the table in SQLite's RETURNING.
    exists().where(follower.after_id == literal_column("jobs.id", Uuid)).label("has_followers")
)


class LeaseLost(Exception):
    """Another process has the job by now: this try must not be recorded."""


@dataclass(frozen=True)
class Failure:
    job: Job
    reason: str
    is_final: bool = False


async def claim(connection: AsyncConnection, jobs: Sequence[uuid.UUID]) -> list[Job | None]:
    """Begin a try of each, unless another delivery has begun or ended the job."""
    found = await connection.execute(CLAIM, {"jobs": jobs})
    claimed = {row.id: Job(**row._mapping) for row in found}
    # The first of several deliveries in one batch gets the job.
    return [claimed.pop(job, None) for job in jobs]


async def succeed(connection: AsyncConnection, jobs: Sequence[Job]) -> list[bool | LeaseLost]:
    """Record the successes. Returns for each whether other jobs follow it."""
    found = await _change(connection, SUCCEED, jobs)
    return [found.get(job.id, LeaseLost()) for job in jobs]


async def fail(
    connection: AsyncConnection, failures: Sequence[Failure]
) -> list[timedelta | LeaseLost | None]:
    """Record the failures. Returns for each the time until the next try, None if it was final."""
    return [await _fail(connection, failure) for failure in failures]


async def _fail(connection: AsyncConnection, failure: Failure) -> timedelta | LeaseLost | None:
    job = failure.job
    is_final = failure.is_final or job.attempts >= job.max_tries
    wait = None if is_final else backoff(job.attempts)
    # No database stores a lone surrogate, and PostgreSQL no NUL.
    reason = failure.reason.encode(errors="replace").decode().replace("\0", "")
    values = {"reason": reason[:MAX_ERROR_LENGTH]} | ({"at": now() + wait} if wait else {})
    found = await _change(connection, TRY_AGAIN if wait else FAIL, [job], **values)
    return wait if found else LeaseLost()


async def renew(connection: AsyncConnection, job: Job) -> bool:
    return bool(await _change(connection, RENEW, [job]))


async def give_back(connection: AsyncConnection, job: Job) -> None:
    """Queue it again at once, because this process stops. The try counts."""
    await _change(connection, GIVE_BACK, [job])


async def _change(
    connection: AsyncConnection, change: ReturningUpdate[Any], jobs: Sequence[Job], **values: object
) -> dict[uuid.UUID, bool]:
    given = {"jobs": [job.id for job in jobs], "tries": [(job.id, job.attempts) for job in jobs]}
    found = await connection.execute(change, given | values)
    return {row[0]: bool(row[-1]) for row in found}


def backoff(attempts: int) -> timedelta:
    """1, 2, 4 ... seconds. Up to half is left out at random, so that retries spread."""
    longest = min(timedelta(seconds=2 ** min(attempts - 1, 30)), MAX_BACKOFF)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - not a secret


def queue_again(job: Job) -> None:
    """Give a failed job, whose row the caller has locked, as many tries as its task has."""
    job.status = Status.QUEUED
    job.max_tries = job.attempts + (registry[job.task].max_tries if job.task in registry else 1)
    job.run_at = now()
    job.finished_at = None


async def is_any(session: AsyncSession, condition: ColumnElement[bool]) -> bool:
    return await session.scalar(select(Job.id).where(condition).limit(1)) is not None


async def count_sent(session: AsyncSession) -> int:
    """How many jobs the broker should have: sent, and not yet claimed."""
    return await session.scalar(select(func.count()).where(IS_QUEUED, IS_LEASED)) or 0


async def take(session: AsyncSession, condition: ColumnElement[bool], limit: int) -> list[Job]:
    """Lease jobs in order to send them. Fail those whose last try has lost its worker."""
    # A CTE is evaluated once. PostgreSQL may evaluate a subquery several times.
    chosen = (
        select(Job.id)
        .where(condition)
        .order_by(Job.run_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    is_lost = and_(Job.status == Status.RUNNING, IS_EXHAUSTED)
    taken = await session.scalars(
        update(Job)
        .where(Job.id.in_(select(chosen.c.id)), condition)
        .values(
            status=case((is_lost, Status.FAILED), else_=Status.QUEUED),
            error=case((is_lost, "the worker was lost"), else_=Job.error),
            finished_at=case((is_lost, NOW), else_=None),
            lease_until=case((is_lost, None), else_=UNTIL),
        )
        .returning(Job)
    )
    return in_order(taken)


def in_order(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.run_at, job.created_at))
