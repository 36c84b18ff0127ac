"""Deletes jobs that ended long ago."""

import logging
from collections import Counter
from datetime import timedelta

from sqlalchemy import ColumnElement, case, delete, select

from app.database import utc_now
from app.jobs import Job, UnitOfWork, task
from app.jobs.control import MAY_BE_RETRIED
from app.jobs.models import Predecessor
from app.settings import get_settings

logger = logging.getLogger(__name__)

BATCH = 1000


@task(cron="30 3 * * *")
async def prune_jobs(uow: UnitOfWork) -> None:
    """One batch per job: a short transaction does not keep others from writing."""
    is_followed = select(Predecessor.job_id).where(Predecessor.predecessor_id == Job.id).exists()
    old = select(Job.id).where(_is_old(), ~is_followed).order_by(Job.finished_at).limit(BATCH)
    chosen = old.with_for_update(skip_locked=True).cte("old")
    pruned = delete(Job).where(Job.id.in_(select(chosen.c.id))).returning(Job.status)
    if found := Counter((await uow.session.scalars(pruned)).all()):
        logger.info("jobs pruned", extra={status.value: found[status] for status in found})
        # There may be more, or jobs that only these followed.
        uow.enqueue(prune_jobs)


def _is_old() -> ColumnElement[bool]:
    succeeded_by = utc_now() - timedelta(days=get_settings().jobs_retention_days)
    failed_by = utc_now() - timedelta(days=get_settings().jobs_failed_retention_days)
    end_of_retention = case((MAY_BE_RETRIED, failed_by), else_=succeeded_by)
    # The first condition is the one that an index supports.
    return (Job.finished_at < max(succeeded_by, failed_by)) & (Job.finished_at < end_of_retention)
