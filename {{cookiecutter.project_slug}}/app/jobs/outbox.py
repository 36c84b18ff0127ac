"""Which jobs must be sent, and by whom they are held until they are claimed."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import utc_now as now
from app.jobs.ledger import in_order
from app.jobs.models import OPEN, Job, Status
from app.jobs.statements import IS_ORPHANED, MAY_START, NOW, TRIED_ENOUGH

IS_QUEUED = and_(OPEN, Job.status == Status.QUEUED)
IS_IN_HAND = Job.lease_until.is_not(None)
# Never sent, due again, or in the hand of a worker that is gone.
TO_SEND = or_(and_(IS_QUEUED, ~IS_IN_HAND, MAY_START), and_(OPEN, IS_ORPHANED))
# Sent, and not claimed for as long as a lease: still in a queue, or nowhere.
PERHAPS_LOST = and_(IS_QUEUED, Job.lease_until <= NOW)


async def hold(session: AsyncSession, jobs: Sequence[Job], lease: timedelta | None) -> None:
    """Keep in hand, or let go of, those of the jobs that still wait to be claimed."""
    await session.execute(
        update(Job)
        .where(Job.id.in_([job.id for job in jobs]), IS_QUEUED, IS_IN_HAND)
        .values(lease_until=now() + lease if lease else None)
    )


async def exists(session: AsyncSession, condition: ColumnElement[bool]) -> bool:
    return await session.scalar(select(Job.id).where(condition).limit(1)) is not None


async def count_sent(session: AsyncSession) -> int:
    """How many jobs a broker should have: sent, and not yet claimed."""
    query = select(func.count()).where(IS_QUEUED, IS_IN_HAND)
    return await session.scalar(query) or 0


async def take(
    session: AsyncSession, condition: ColumnElement[bool], limit: int, lease: timedelta
) -> list[Job]:
    """Take jobs in hand to send them; bury those whose last try has lost its worker."""
    # As a CTE it is evaluated once: as a subquery, PostgreSQL may choose again and again.
    chosen = (
        select(Job.id)
        .where(condition)
        .order_by(Job.run_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    buried = and_(Job.status == Status.RUNNING, TRIED_ENOUGH)
    taken = await session.scalars(
        update(Job)
        .where(Job.id.in_(select(chosen.c.id)), condition)
        .values(
            status=case((buried, Status.FAILED), else_=Status.QUEUED),
            error=case((buried, "the worker was lost"), else_=Job.error),
            finished_at=case((buried, now()), else_=None),
            lease_until=case((buried, None), else_=now() + lease),
        )
        .returning(Job)
    )
    return in_order(taken)
