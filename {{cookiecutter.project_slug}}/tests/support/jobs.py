"""Running what was enqueued."""

from collections.abc import Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.orm import aliased

from app.database import Database, utc_now
from app.jobs import Job, Status
from app.jobs.runtime import perform
from tests.support.rows import rows

before = aliased(Job)


async def run_jobs(database: Database) -> Sequence[Job]:
    """Run every queued job as a worker would, but without waiting for delays and retries.

    Returns all jobs, the oldest first.
    """
    while job := await _next(database):
        await perform(database, job.id)
    return await rows(database, Job)


async def _next(database: Database) -> Job | None:
    """The job that is due first, made due now. A job that follows a failed one never is."""
    may_start = or_(Job.after_id.is_(None), before.status == Status.SUCCEEDED)
    first = (
        select(Job)
        .outerjoin(before, before.id == Job.after_id)
        .where(Job.status == Status.QUEUED, may_start)
        .order_by(Job.run_at, Job.created_at)
        .limit(1)
    )
    async with database.write.begin() as session:
        job = await session.scalar(first)
        if job and job.run_at > utc_now():
            await session.execute(update(Job).where(Job.id == job.id).values(run_at=utc_now()))
    return job
