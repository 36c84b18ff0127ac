"""Deletes jobs that ended long ago."""

import logging
from collections import Counter
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import aliased

from app.database import utc_now
from app.jobs import Job, Status, UnitOfWork, task
from app.settings import get_settings

logger = logging.getLogger(__name__)

BATCH = 1000


@task(cron="30 3 * * *")
async def prune_jobs(uow: UnitOfWork) -> None:
    """One batch per job: a short transaction does not keep others from writing."""
    old = (
        select(Job.id)
        .where(_is_old(), ~_is_followed())
        .order_by(Job.finished_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    pruned = delete(Job).where(Job.id.in_(select(old.c.id))).returning(Job.status)
    if found := Counter((await uow.session.scalars(pruned)).all()):
        logger.info("jobs pruned", extra={status.value: found[status] for status in found})
        # There may be more, or jobs that only these followed.
        uow.enqueue(prune_jobs)


def _is_old() -> ColumnElement[bool]:
    settings = get_settings()
    succeeded_by = utc_now() - timedelta(days=settings.jobs_retention_days)
    failed_by = utc_now() - timedelta(days=settings.jobs_failed_retention_days)
    return and_(
        # The condition that an index supports.
        Job.finished_at < max(succeeded_by, failed_by),
        or_(
            and_(Job.status == Status.SUCCEEDED, Job.finished_at < succeeded_by),
            and_(Job.status == Status.FAILED, Job.finished_at < failed_by),
        ),
    )


def _is_followed() -> ColumnElement[bool]:
    follower = aliased(Job)
    return select(follower.id).where(follower.after_id == Job.id).exists()
