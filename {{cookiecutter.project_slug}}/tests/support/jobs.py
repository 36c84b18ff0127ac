"""Running what was enqueued."""

from collections.abc import Sequence

from sqlalchemy import select, update

from app.database import Database, utc_now
from app.jobs import Job, Status
from app.jobs.runtime import perform
from app.jobs.runtime.due import MAY_FOLLOW
from tests.support.rows import rows


async def run_jobs(database: Database) -> Sequence[Job]:
    """Run every queued job as a worker would, but without waiting for delays and retries.

    Returns all jobs, the oldest first.
    """
    while job := await _next(database):
        await perform(database, job.id)
    return await rows(database, Job)


async def _next(database: Database) -> Job | None:
    """The job that is due first, made due now. A job that follows a failed one never is."""
    first = (
        select(Job)
        .where(Job.status == Status.QUEUED, MAY_FOLLOW)
        .order_by(Job.run_at, Job.created_at)
        .limit(1)
    )
    async with database.write.begin() as session:
        job = await session.scalar(first)
        if job and job.run_at > utc_now():
            await session.execute(update(Job).where(Job.id == job.id).values(run_at=utc_now()))
    return job
