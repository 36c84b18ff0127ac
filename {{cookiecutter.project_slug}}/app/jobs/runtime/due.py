"""Which jobs are due, and which have lost their process: what the relay looks for."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.database import FromNow
from app.jobs.models import IS_QUEUED, OPEN, Job, Predecessor, Status
from app.settings import get_settings

NOW = sa.bindparam("now", timedelta(0), type_=FromNow)
UNTIL = sa.bindparam("lease", callable_=lambda: get_settings().jobs_lease, type_=FromNow)

before = aliased(Job)
IS_BEFORE = before.id == Predecessor.predecessor_id


def _count_before(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    # Not EXISTS, for which PostgreSQL may read all jobs that have succeeded.
    predecessors = sa.select(sa.func.count()).select_from(Predecessor).join(before, IS_BEFORE)
    return predecessors.where(Predecessor.job_id == Job.id, condition).scalar_subquery()


MAY_FOLLOW = ~Job.is_follower | (_count_before(before.status != Predecessor.wanted) == 0)
# A predecessor was cancelled, or has succeeded although its failure is wanted. One that has failed
# may still be retried, and then succeed.
CANNOT_FOLLOW = Job.is_follower & (
    _count_before(
        (before.status != Predecessor.wanted)
        & before.status.in_([Status.SUCCEEDED, Status.CANCELLED])
    )
    > 0
)
MAY_START = (Job.run_at <= NOW) & MAY_FOLLOW
IS_LEASED = Job.lease_until.is_not(None)
IS_ORPHANED = OPEN & (Job.status == Status.RUNNING) & (Job.lease_until <= NOW)
IS_EXHAUSTED = Job.attempts >= Job.max_tries
IS_TO_CANCEL = Job.cancel_requested | CANNOT_FOLLOW

# Never sent, due again, or of a worker that is gone. What must not start is ended instead.
TO_SEND = (IS_QUEUED & ~IS_LEASED & (MAY_START | IS_TO_CANCEL)) | IS_ORPHANED
# Sent but not claimed for as long as a lease: still in the broker's queue, or lost.
PERHAPS_LOST = IS_QUEUED & (Job.lease_until <= NOW)


async def queues_of(session: AsyncSession, condition: sa.ColumnElement[bool]) -> Sequence[str]:
    return (await session.scalars(sa.select(Job.queue).where(condition).distinct())).all()


async def count_sent(session: AsyncSession, queue: str) -> int:
    """How many jobs the broker should have in the queue: sent, and not yet claimed."""
    sent = sa.select(sa.func.count()).where(IS_QUEUED, IS_LEASED, Job.queue == queue)
    return await session.scalar(sent) or 0


async def take(session: AsyncSession, condition: sa.ColumnElement[bool], limit: int) -> list[Job]:
    """Lease jobs in order to send them. End those that must not run any more."""
    # A CTE is evaluated once. PostgreSQL may evaluate a subquery several times.
    chosen = sa.select(Job.id).where(condition).order_by(Job.run_at).limit(limit)
    rows = chosen.with_for_update(skip_locked=True).cte("chosen")
    is_lost = (Job.status == Status.RUNNING) & IS_EXHAUSTED
    is_ended = IS_TO_CANCEL | is_lost
    taken = await session.scalars(
        sa.update(Job)
        .where(Job.id.in_(sa.select(rows.c.id)), condition)
        .values(
            status=sa.case(
                (IS_TO_CANCEL, Status.CANCELLED), (is_lost, Status.FAILED), else_=Status.QUEUED
            ),
            error=sa.case(
                (Job.cancel_requested, Status.CANCELLED),
                (
                    CANNOT_FOLLOW,
                    "not started: a job before it was cancelled, or succeeded instead of failing",
                ),
                (is_lost, "the worker was lost"),
                else_=Job.error,
            ),
            finished_at=sa.case((is_ended, NOW), else_=None),
            lease_until=sa.case((is_ended, None), else_=UNTIL),
        )
        .returning(Job)
    )
    return sorted(taken, key=lambda job: (job.run_at, job.created_at))
