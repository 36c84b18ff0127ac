"""Leases of jobs that wait to be claimed: while one is kept, nobody else sends the job."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from sqlalchemy import update

from app.database import Database, DatabaseUnavailable
from app.jobs.models import Job
from app.jobs.runtime.ledger import IS_LEASED, IS_QUEUED, UNTIL
from app.settings import get_settings


@asynccontextmanager
async def keep_leased(database: Database, jobs: Sequence[Job]) -> AsyncIterator[None]:
    async def keep() -> None:
        while True:
            await asyncio.sleep(get_settings().jobs_lease_seconds / 3)
            await _set(database, jobs, UNTIL)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()


async def release(database: Database, jobs: Sequence[Job]) -> None:
    await _set(database, jobs, None)


async def _set(database: Database, jobs: Sequence[Job], until: object) -> None:
    """Leaves alone what has been claimed meanwhile. If it fails, the leases end by themselves."""
    is_waiting = Job.id.in_([job.id for job in jobs]) & IS_QUEUED & IS_LEASED
    with suppress(DatabaseUnavailable):
        async with database.begin_write() as session:
            await session.execute(update(Job).where(is_waiting).values(lease_until=until))
