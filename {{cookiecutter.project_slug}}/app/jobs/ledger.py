"""The only transitions that a job may make.

    queued -> running -> succeeded
                      -> queued     it failed, with tries left
                      -> failed     until somebody retries it

Each is a conditional UPDATE, of many jobs at once where that can be: whoever comes second changes
nothing.
"""

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from app.db import utc_now as now
from app.jobs.models import Job, Status
from app.jobs.statements import CLAIM, CLAIM_UNLOCKED, FAIL, GIVE_BACK, RENEW, SUCCEED, TRY_AGAIN

LONGEST_BACKOFF = timedelta(minutes=10)
LONGEST_ERROR = 1000


class LeaseLost(Exception):
    """Somebody else has the job by now: what this try did must not be recorded."""


def backoff(attempts: int) -> timedelta:
    """1, 2, 4 ... seconds, up to half of it left out at random, so that failures spread."""
    longest = min(timedelta(seconds=2 ** min(attempts - 1, 30)), LONGEST_BACKOFF)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret hangs on it


def in_order(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.run_at, job.created_at))


async def claim(connection: AsyncConnection, jobs: Sequence[uuid.UUID]) -> list[Job | None]:
    """Begin a try of each, unless another delivery of the job has begun or finished it."""
    return await _claim(connection, CLAIM, jobs)


async def claim_unlocked(
    connection: AsyncConnection, jobs: Sequence[uuid.UUID]
) -> list[Job | None]:
    """Likewise, but pass over those whose row somebody else is changing."""
    return await _claim(connection, CLAIM_UNLOCKED, jobs)


async def _claim(
    connection: AsyncConnection, how: ReturningUpdate[Any], jobs: Sequence[uuid.UUID]
) -> list[Job | None]:
    found = await connection.execute(how, {"jobs": jobs})
    claimed = {row.id: Job(**row._mapping) for row in found}
    # Of several deliveries in one round, the first has it.
    return [claimed.pop(job, None) for job in jobs]


async def succeed(connection: AsyncConnection, jobs: Sequence[Job]) -> list[list[Job] | LeaseLost]:
    """Record the successes; return for each the jobs that waited for it, taken in hand."""
    tries = [(job.id, job.attempts) for job in jobs]
    found = await connection.execute(SUCCEED, {"jobs": [job.id for job in jobs], "tries": tries})
    released: dict[uuid.UUID, list[Job]] = {}
    for row in found:
        if row.status is Status.SUCCEEDED:
            released.setdefault(row.id, [])
        else:
            released.setdefault(row.after_id, []).append(Job(**row._mapping))
    return [in_order(released[job.id]) if job.id in released else LeaseLost() for job in jobs]


async def renew(connection: AsyncConnection, job: Job) -> None:
    await _change(connection, job, RENEW)


@dataclass(frozen=True)
class Failure:
    job: Job
    reason: str
    is_final: bool = False


async def fail(
    connection: AsyncConnection, failures: Sequence[Failure]
) -> list[Status | LeaseLost]:
    """Record the failures; return what became of each job."""
    return [await _fail(connection, failure) for failure in failures]


async def _fail(connection: AsyncConnection, failure: Failure) -> Status | LeaseLost:
    job = failure.job
    # No database has text with half a character in it, nor PostgreSQL with a NUL.
    text = failure.reason.encode(errors="replace").decode().replace("\0", "")
    reason = text[:LONGEST_ERROR]
    try:
        if failure.is_final or job.attempts >= job.max_tries:
            await _change(connection, job, FAIL, reason=reason)
            return Status.FAILED
        await _change(connection, job, TRY_AGAIN, reason=reason, at=now() + backoff(job.attempts))
        return Status.QUEUED
    except LeaseLost as lost:
        return lost


async def give_back(connection: AsyncConnection, job: Job) -> None:
    """Let another process begin at once, because this one must stop."""
    await _change(connection, job, GIVE_BACK)


async def _change(connection: AsyncConnection, job: Job, change: Update, **values: object) -> None:
    given = {"job": job.id, "attempt": job.attempts, **values}
    if (await connection.execute(change, given)).first() is None:
        raise LeaseLost


def queue_again(job: Job, tries: int) -> None:
    """Give a failed job, whose row the caller has locked, another round of tries."""
    job.status = Status.QUEUED
    job.max_tries = job.attempts + tries
    job.run_at = now()
    job.finished_at = None
