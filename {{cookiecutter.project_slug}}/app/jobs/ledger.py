"""The only transitions that a job may make.

    queued -> running -> succeeded
                      -> queued     it failed, with tries left
                      -> failed     until somebody retries it

Each is one conditional UPDATE: whoever comes second changes nothing.
"""

import random
import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Case, Row, Update, Uuid, and_, bindparam, case, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.db import Timestamp
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


# What follows is built once, and executed without a session: most of a job's cost is SQLAlchemy's.
NOW = bindparam("now", callable_=now, type_=Timestamp)
UNTIL = bindparam("until", type_=Timestamp)
JOB = bindparam("job", type_=Uuid)

before = aliased(Job)
# Not EXISTS, for which PostgreSQL may read all jobs that have succeeded.
OUTCOME_BEFORE = select(before.status).where(before.id == Job.after_id).scalar_subquery()
HAS_GONE_BEFORE = or_(Job.after_id.is_(None), OUTCOME_BEFORE == Status.SUCCEEDED)
# Its time has come, and the job that it follows has succeeded.
MAY_START = and_(Job.run_at <= NOW, HAS_GONE_BEFORE)
IS_ORPHANED = and_(Job.status == Status.RUNNING, Job.lease_until <= NOW)
TRIED_ENOUGH = Job.attempts >= Job.max_tries

CLAIM = (
    update(Job)
    .where(
        Job.id == JOB,
        OPEN,
        or_(and_(Job.status == Status.QUEUED, MAY_START), and_(IS_ORPHANED, ~TRIED_ENOUGH)),
    )
    .values(status=Status.RUNNING, attempts=Job.attempts + 1, lease_until=UNTIL, started_at=NOW)
    .returning(Job)
)
IS_HELD = and_(Job.id == JOB, Job.status == Status.RUNNING, Job.attempts == bindparam("attempt"))
WAITS_FOR_IT = and_(
    Job.after_id == JOB,
    # Not OPEN: SQLite would read the index of all open jobs instead of that of followers.
    Job.status == Status.QUEUED,
    Job.lease_until.is_(None),
    Job.run_at <= NOW,
)
HELD = update(Job).where(IS_HELD).returning(Job.id)
RENEW = HELD.values(lease_until=UNTIL)
GIVE_BACK = HELD.values(lease_until=None, status=Status.QUEUED)
LEAVE = HELD.values(lease_until=None, error=bindparam("reason"))
FAIL = LEAVE.values(status=Status.FAILED, finished_at=NOW)
TRY_AGAIN = LEAVE.values(status=Status.QUEUED, run_at=bindparam("at"))


def own(value: object, others: object) -> Case[Any]:
    return case((Job.id == JOB, value), else_=others)


# The job, and in the same breath those that waited for it.
SUCCEED = (
    update(Job)
    .where(or_(IS_HELD, WAITS_FOR_IT))
    .values(
        status=own(Status.SUCCEEDED, Job.status),
        lease_until=own(null(), UNTIL),
        error=own(null(), Job.error),
        finished_at=own(NOW, null()),
    )
    .returning(Job)
)


def in_order(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.run_at, job.created_at))


async def claim(connection: AsyncConnection, job_id: uuid.UUID, lease: timedelta) -> Job | None:
    """Begin a try, unless another delivery of the job has begun or finished it."""
    found = (await connection.execute(CLAIM, {"job": job_id, "until": now() + lease})).first()
    return Job(**found._mapping) if found else None


async def renew(connection: AsyncConnection, job: Job, lease: timedelta) -> None:
    await _change(connection, job, RENEW, until=now() + lease)


async def succeed(connection: AsyncConnection, job: Job, lease: timedelta) -> list[Job]:
    """Record the success; return the jobs that waited for it, taken in hand."""
    changed = await _change(connection, job, SUCCEED, until=now() + lease)
    return in_order(Job(**found._mapping) for found in changed if found.id != job.id)


async def fail(
    connection: AsyncConnection, job: Job, error: str, *, for_good: bool = False
) -> Status:
    """Record the failure; return what became of the job."""
    # No database has text with half a character in it, nor PostgreSQL with a NUL.
    reason = error.encode(errors="replace").decode().replace("\0", "")[:LONGEST_ERROR]
    if for_good or job.attempts >= job.max_tries:
        await _change(connection, job, FAIL, reason=reason)
        return Status.FAILED
    await _change(connection, job, TRY_AGAIN, reason=reason, at=now() + backoff(job.attempts))
    return Status.QUEUED


async def give_back(connection: AsyncConnection, job: Job) -> None:
    """Let another process begin at once, because this one must stop."""
    await _change(connection, job, GIVE_BACK)


async def _change(
    connection: AsyncConnection, job: Job, change: Update, **values: object
) -> Sequence[Row[Any]]:
    given = {"job": job.id, "attempt": job.attempts, **values}
    changed = (await connection.execute(change, given)).all()
    if all(found.id != job.id for found in changed):
        raise LeaseLost
    return changed


def queue_again(job: Job, tries: int) -> None:
    """Give a failed job, whose row the caller has locked, another round of tries."""
    job.status = Status.QUEUED
    job.max_tries = job.attempts + tries
    job.run_at = now()
    job.finished_at = None
