"""The transitions of a job.

    queued -> running -> succeeded
                      -> queued     failed with tries left, given back, or unknown to the code
                      -> failed     no tries left, until somebody retries it
                      -> cancelled  asked to stop, until somebody retries it
    queued -> cancelled

Each is a conditional UPDATE: whoever comes second changes nothing. The statements are built once
and executed without a session, because most of a job's cost is SQLAlchemy's.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from app.database import FromNow
from app.jobs.models import IS_QUEUED, Job, Predecessor, Status
from app.jobs.runtime.due import IS_EXHAUSTED, IS_ORPHANED, MAY_START, NOW, UNTIL

MAX_TEXT_LENGTH = 1000
MAX_FAILURES = 10

JOBS = sa.bindparam("jobs", type_=sa.Uuid, expanding=True)
# Pairs of a job and the number of its try.
TRIES: sa.BindParameter[Any] = sa.bindparam("tries", expanding=True)

MAY_BE_CLAIMED = (
    Job.id.in_(JOBS)
    & ~Job.cancel_requested
    & ((IS_QUEUED & MAY_START) | (IS_ORPHANED & ~IS_EXHAUSTED))
)
CLAIM = (
    sa.update(Job)
    .where(MAY_BE_CLAIMED)
    .values(status=Status.RUNNING, attempts=Job.attempts + 1, lease_until=UNTIL, started_at=NOW)
    .values(progress=None, progress_note=None)
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
RENEW = CHANGE.values(
    lease_until=UNTIL, progress=sa.bindparam("percent"), progress_note=sa.bindparam("note")
).returning(Job.cancel_requested)
GIVE_BACK = CHANGE.values(lease_until=None, status=Status.QUEUED)
END = CHANGE.values(
    lease_until=None, error=sa.bindparam("reason"), failures=sa.bindparam("all", type_=sa.JSON)
)
TRY_AGAIN = END.values(
    status=Status.QUEUED, run_at=sa.bindparam("wait", type_=FromNow), unknown_since=None
)
# This try does not count.
PUT_OFF = TRY_AGAIN.values(max_tries=Job.max_tries + 1, unknown_since=sa.bindparam("since"))
FAIL = END.values(status=Status.FAILED, finished_at=NOW)
CANCEL = END.values(status=Status.CANCELLED, finished_at=NOW)
# SQLAlchemy leaves out the name of the table in SQLite's RETURNING.
IS_FOLLOWED = sa.exists().where(Predecessor.predecessor_id == sa.literal_column("jobs.id", sa.Uuid))
SUCCEED = CHANGE.values(
    status=Status.SUCCEEDED,
    lease_until=None,
    error=None,
    finished_at=NOW,
    progress=sa.case((Job.progress.is_not(None), 100)),
).returning(IS_FOLLOWED.label("is_followed"))
SUCCEED_WITH = SUCCEED.values(result=sa.bindparam("value", type_=sa.JSON))


class LeaseLost(Exception):
    """Another process has the job by now: this try must not be recorded."""


class Success(NamedTuple):
    job: Job
    result: object = None


class Failure(NamedTuple):
    job: Job
    reason: str
    # Until the next try. Without it, the job ends with the status.
    wait: timedelta | None
    status: Status = Status.FAILED
    # This code does not know the call. Other code may, while a deploy goes on.
    is_unknown: bool = False


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
    claimed = {row.id: Job.of(**row._mapping) for row in found}
    # The first of several deliveries in one batch gets the job.
    return [claimed.pop(job, None) for job in jobs]


async def succeed(
    connection: AsyncConnection, successes: Sequence[Success]
) -> list[bool | LeaseLost]:
    """Record the successes. Returns for each whether other jobs follow it."""
    found: dict[uuid.UUID, bool] = {}
    if plain := [success.job for success in successes if success.result is None]:
        found |= await _change(connection, SUCCEED, plain)
    for job, result in successes:
        if result is not None:
            found |= await _change(connection, SUCCEED_WITH, [job], value=result)
    return [found.get(success.job.id, LeaseLost()) for success in successes]


async def fail(connection: AsyncConnection, failures: Sequence[Failure]) -> list[LeaseLost | None]:
    return [await _fail(connection, failure) for failure in failures]


async def _fail(connection: AsyncConnection, failure: Failure) -> LeaseLost | None:
    job, wait = failure.job, failure.wait
    reason = _storable(failure.reason)
    started_at = job.started_at.isoformat() if job.started_at else None
    this = {"attempt": job.attempts, "started_at": started_at, "error": reason}
    values: dict[str, object] = {"reason": reason, "all": [*job.failures, this][-MAX_FAILURES:]}
    if wait is None:
        change = CANCEL if failure.status is Status.CANCELLED else FAIL
    elif failure.is_unknown:
        change = PUT_OFF
        values |= {"wait": wait, "since": job.unknown_since or job.started_at}
    else:
        change = TRY_AGAIN
        values |= {"wait": wait}
    return None if await _change(connection, change, [job], **values) else LeaseLost()


async def renew(
    connection: AsyncConnection, job: Job, percent: int | None, note: str | None
) -> bool | None:
    """Returns whether the job is asked to stop, None if its lease is lost."""
    shown = {"percent": percent, "note": _storable(note) if note else None}
    return (await _change(connection, RENEW, [job], **shown)).get(job.id)


async def give_back(connection: AsyncConnection, job: Job) -> None:
    """Queue it again at once, because this process stops. The try counts."""
    await _change(connection, GIVE_BACK, [job])


async def _change(
    connection: AsyncConnection, change: ReturningUpdate[Any], jobs: Sequence[Job], **values: object
) -> dict[uuid.UUID, bool]:
    given = {"jobs": [job.id for job in jobs], "tries": [(job.id, job.attempts) for job in jobs]}
    found = await connection.execute(change, given | values)
    return {row[0]: bool(row[-1]) for row in found}


def _storable(text: str) -> str:
    """No database stores a lone surrogate, and PostgreSQL no NUL."""
    return text.encode(errors="replace").decode().replace("\0", "")[:MAX_TEXT_LENGTH]
