"""Tasks that hold up what they run in."""

import asyncio
import time
from datetime import timedelta

from sqlalchemy import func, select

from app.jobs import UnitOfWork, task
from app.probe.tasks import noted
from app.users.models import AuditEntry


@task(timeout=timedelta(minutes=2))
async def blocks_its_loop(number: int, seconds: float) -> None:
    with noted(number):
        time.sleep(seconds)


@task(timeout=timedelta(minutes=2))
async def reads_computes_and_writes(uow: UnitOfWork, number: int, seconds: float) -> None:
    with noted(number):
        count = await uow.session.scalar(select(func.count()).select_from(AuditEntry))
        await asyncio.sleep(seconds)
        uow.session.add(AuditEntry(event="counted", subject=str(count)))
