"""Enqueues the tasks that have a schedule: one job per due time, whoever looks first."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.db import utc_now as now
from app.jobs.models import Job, Schedule
from app.jobs.schedule import Rule, next_after
from app.settings import get_settings
from app.tasks import tasks

logger = logging.getLogger(__name__)


class Timetable:
    """Any number of processes may keep it, and of several due times that all missed, one counts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._interval = timedelta(seconds=get_settings().jobs_relay_seconds)
        self._rules = {name: task.rule for name, task in tasks.items() if task.rule}
        self._is_entered = False

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])

    async def _look(self) -> None:
        is_hindered = False
        while True:
            wait = self._interval
            try:
                wait = min(wait, await self.enqueue_due())
                is_hindered = False
            except Exception as error:
                if not is_hindered:
                    logger.warning("no schedule can be kept: %r", error)
                is_hindered = True
            await asyncio.sleep(wait.total_seconds())

    async def enqueue_due(self) -> timedelta:
        """Enqueue what is due; return how long nothing will be."""
        if not self._is_entered:
            async with self._database.turn_to_write() as session:
                for name, rule in self._rules.items():
                    await _enter(session, name, rule)
            self._is_entered = True
        own = Schedule.task.in_(self._rules)
        async with self._database.read() as session:
            first = await session.scalar(select(func.min(Schedule.next_at)).where(own))
        if first is None or first > now():
            return first - now() if first else timedelta.max
        async with self._database.turn_to_write() as session:
            due = select(Schedule).where(own, Schedule.next_at <= now())
            for schedule in await session.scalars(due.with_for_update(skip_locked=True)):
                await _enqueue(session, schedule, self._rules[schedule.task])
        return timedelta(0)


async def _enter(session: AsyncSession, name: str, rule: Rule) -> None:
    """What is new, or changed, is due at its next time and not before."""
    schedule = await session.get(Schedule, name, with_for_update=True)
    if schedule is None:
        # Another process may do the same at this moment.
        with suppress(IntegrityError):
            async with session.begin_nested():
                session.add(Schedule(task=name, rule=str(rule), next_at=next_after(rule, now())))
    elif schedule.rule != str(rule):
        schedule.rule, schedule.next_at = str(rule), next_after(rule, now())


async def _enqueue(session: AsyncSession, schedule: Schedule, rule: Rule) -> None:
    before = await session.get(Job, schedule.job_id) if schedule.job_id else None
    if before and before.finished_at is None:
        about = {"task": schedule.task, "job_id": str(before.id)}
        logger.warning("a due time passes, because the job of the last is not done", extra=about)
    else:
        job = tasks[schedule.task].job()
        job.run_at = schedule.next_at
        session.add(job)
        schedule.job_id = job.id
    schedule.rule, schedule.next_at = str(rule), next_after(rule, now())
