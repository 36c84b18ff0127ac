"""The transitions of a job, and which jobs are due.

    queued -> running -> succeeded
                      -> queued     failed with tries left, or given back
                      -> failed     no tries left, until somebody retries it

Each is a conditional UPDATE: whoever comes second changes nothing. The statements are built once
and executed without a session, because most of a job's cost is SQLAlchemy's.
"""

import random
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from app.database import FromNow, utc_now
from app.jobs.models import OPEN, Job, Status
from app.jobs.task import registry
from app.settings import get_settings

MAX_BACKOFF = timedelta(minutes=10)
MAX_ERROR_LENGTH = 1000

NOW = sa.bindparam("now", timedelta(0), type_=FromNow)
UNTIL = sa.bindparam("lease", callable_=lambda: get_settings().jobs_lease, type_=FromNow)
JOBS = sa.bindparam("jobs", type_=sa.Uuid, expanding=True)
# Pairs of a job and the number of its try.
TRIES: sa.BindParameter[Any] = sa.bindparam("tries", expanding=True)

predecessor, follower = aliased(Job), aliased(Job)
# Not EXISTS, for which PostgreSQL may read all jobs that have succeeded.
STATUS_BEFORE = sa.select(predecessor.status).where(predecessor.id == Job.after_id)
MAY_FOLLOW = Job.after_id.is_(None) | (STATUS_BEFORE.scalar_subquery() == Status.SUCCEEDED)
MAY_START = (Job.run_at <= NOW) & MAY_FOLLOW
IS_QUEUED = OPEN & (Job.status == Status.QUEUED)
IS_LEASED = Job.lease_until.is_not(None)
IS_ORPHANED = OPEN & (Job.status == Status.RUNNING) & (Job.lease_until <= NOW)
IS_EXHAUSTED = Job.attempts >= Job.max_tries

# Never sent, due again, or of a worker that is gone.
TO_SEND = (IS_QUEUED & ~IS_LEASED & MAY_START) | IS_ORPHANED
# Sent but not claimed for as long as a lease: still in the broker's queue, or lost.
PERHAPS_LOST = IS_QUEUED & (Job.lease_until <= NOW)

MAY_BE_CLAIMED = Job.id.in_(JOBS) & ((IS_QUEUED & MAY_START) | (IS_ORPHANED & ~IS_EXHAUSTED))
CLAIM = (
    sa.update(Job)
    .where(MAY_BE_CLAIMED)
    .values(status=Status.RUNNING, attempts=Job.attempts + 1, lease_until=UNTIL, started_at=NOW)
    .returning(Job)
)
unlocked = sa.select(Job.id).where(MAY_BE_CLAIMED).with_for_update(skip_locked=True, key_share=True)
CLAIM_UNLOCKED = CLAIM.where(Job.id.in_(sa.select(unlocked.cte("unlocked").c.id)))
# Only the try that holds the lease may change a running job.
CHANGE = (
    sa.update(Job)
    # The first condition is for the index, the second is the fence.
    .where(Job.id.in_(JOBS), sa.tuple_(Job.id, Job.attempts).in_(TRIES))
    .where(Job.status == Status.RUNNING)
    .returning(Job.id)
)
RENEW = CHANGE.values(lease_until=UNTIL)
GIVE_BACK = CHANGE.values(lease_until=None, status=Status.QUEUED)
END = CHANGE.values(lease_until=None, error=sa.bindparam("reason"))
TRY_AGAIN = END.values(status=Status.QUEUED, run_at=sa.bindparam("wait", type_=FromNow))
FAIL = END.values(status=Status.FAILED, finished_at=NOW)
# SQLAlchemy leaves out the name of the table in SQLite's RETURNING.
IS_FOLLOWED = sa.exists().where(follower.after_id == sa.literal_column("jobs.id", sa.Uuid))
SUCCEED = CHANGE.values(
    status=Status.SUCCEEDED, lease_until=None, error=None, finished_at=NOW
).returning(IS_FOLLOWED.label("is_followed"))


class LeaseLost(Exception):
    """Another process has the job by now: this try must not be recorded."""


class Failure(NamedTuple):
    job: Job
    reason: str
    is_final: bool = False


async def claim(connection: AsyncConnection, jobs: Sequence[uuid.UUID]) -> list[Job | None]:
    """Begin a try of each, unless another delivery has begun or ended the job."""
    return await _claim(connection, CLAIM, jobs)


async def claim_unlocked(
    connection: AsyncConnection, jobs: Sequence[uuid.UUID]
) -> list[Job | None]:
    """The same, but skip rows that another process has locked, and may hold for long."""
    return await _claim(connection, CLAIM_UNLOCKED, jobs)


async def _claim(
    connection: AsyncConnection, how: ReturningUpdate[Any], jobs: Sequence[uuid.UUID]
) -> list[Job | None]:
    found = await connection.execute(how, {"jobs": jobs})
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
    return [await _fail(connection, *failure) for failure in failures]


async def _fail(
    connection: AsyncConnection, job: Job, reason: str, is_final: bool
) -> timedelta | LeaseLost | None:
    wait = None if is_final or job.attempts >= job.max_tries else backoff(job.attempts)
    # No database stores a lone surrogate, and PostgreSQL no NUL.
    text = reason.encode(errors="replace").decode().replace("\0", "")[:MAX_ERROR_LENGTH]
    next_at = {"wait": wait} if wait else {}
    change = TRY_AGAIN if wait else FAIL
    return wait if await _change(connection, change, [job], reason=text, **next_at) else LeaseLost()


async def renew(connection: AsyncConnection, job: Job) -> bool:
    """Returns whether the lease was still ours."""
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
    job.status, job.run_at, job.finished_at = Status.QUEUED, utc_now(), None
    job.max_tries = job.attempts + (registry[job.task].max_tries if job.task in registry else 1)


async def is_any(session: AsyncSession, condition: sa.ColumnElement[bool]) -> bool:
    return await session.scalar(sa.select(Job.id).where(condition).limit(1)) is not None


async def count_sent(session: AsyncSession) -> int:
    """How many jobs the broker should have: sent, and not yet claimed."""
    return await session.scalar(sa.select(sa.func.count()).where(IS_QUEUED, IS_LEASED)) or 0


async def take(session: AsyncSession, condition: sa.ColumnElement[bool], limit: int) -> list[Job]:
    """Lease jobs in order to send them. Fail those whose last try has lost its worker."""
    # A CTE is evaluated once. PostgreSQL may evaluate a subquery several times.
    chosen = sa.select(Job.id).where(condition).order_by(Job.run_at).limit(limit)
    rows = chosen.with_for_update(skip_locked=True).cte("chosen")
    is_lost = (Job.status == Status.RUNNING) & IS_EXHAUSTED
    taken = await session.scalars(
        sa.update(Job)
        .where(Job.id.in_(sa.select(rows.c.id)), condition)
        .values(
            status=sa.case((is_lost, Status.FAILED), else_=Status.QUEUED),
            error=sa.case((is_lost, "the worker was lost"), else_=Job.error),
            finished_at=sa.case((is_lost, NOW), else_=None),
            lease_until=sa.case((is_lost, None), else_=UNTIL),
        )
        .returning(Job)
    )
    return sorted(taken, key=lambda job: (job.run_at, job.created_at))
