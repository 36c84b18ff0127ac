"""Leases of jobs that wait to be claimed: while one is kept, nobody else sends the job."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from sqlalchemy import update

from app.database import Database, DatabaseUnavailable, utc_now
from app.jobs.models import Job
from app.jobs.runtime.ledger import IS_LEASED, IS_QUEUED
from app.settings import get_settings


@asynccontextmanager
async def keep_leased(database: Database, jobs: Sequence[Job]) -> AsyncIterator[None]:
    lease = get_settings().jobs_lease

    async def keep() -> None:
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)
            await _set(database, jobs, lease)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()


async def release(database: Database, jobs: Sequence[Job]) -> None:
    await _set(database, jobs, None)


async def _set(database: Database, jobs: Sequence[Job], lease: timedelta | None) -> None:
    """Leaves alone what has been claimed meanwhile."""
    # If it fails, the leases end by themselves.
    with suppress(DatabaseUnavailable):
        async with database.begin_write() as session:
            await session.execute(
                update(Job)
                .where(Job.id.in_([job.id for job in jobs]), IS_QUEUED, IS_LEASED)
                .values(lease_until=utc_now() + lease if lease else None)
            )
