"""Enqueues the tasks that have a schedule: one job per due time, in whichever process is first."""

import logging
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.database import utc_now as now
from app.jobs.models import Job, Schedule
from app.jobs.runtime.due import NOW
from app.jobs.schedule import Rule, next_after
from app.jobs.task import registry

logger = logging.getLogger(__name__)


class Timetable:
    """Any number of processes may keep it. Several missed runs are made up by one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules = {name: task.rule for name, task in registry.items() if task.rule}
        self._is_own = Schedule.task.in_(self._rules)
        self.has_due = select(Schedule.task).where(self._is_own, Schedule.next_at <= NOW)
        self.is_entered = False

    async def enqueue_due(self) -> None:
        await self._database.read_clock()
        if not self.is_entered:
            async with self._database.begin_write() as session:
                for name, rule in self._rules.items():
                    await _enter(session, name, rule)
            self.is_entered = True
        async with self._database.read() as session:
            if not await session.scalar(self.has_due):
                return
        async with self._database.begin_write() as session:
            due = select(Schedule).where(self._is_own, Schedule.next_at <= NOW)
            for schedule in await session.scalars(due.with_for_update(skip_locked=True)):
                await _enqueue(session, schedule, self._rules[schedule.task])


async def _enter(session: AsyncSession, name: str, rule: Rule) -> None:
    """A new or changed schedule is first due at its next time."""
    schedule = await session.get(Schedule, name, with_for_update=True)
    if schedule is None:
        # Another process may do the same.
        with suppress(IntegrityError):
            async with session.begin_nested():
                session.add(Schedule(task=name, rule=str(rule), next_at=next_after(rule, now())))
    elif schedule.rule != str(rule):
        schedule.rule, schedule.next_at = str(rule), next_after(rule, now())


async def _enqueue(session: AsyncSession, schedule: Schedule, rule: Rule) -> None:
    before = await session.get(Job, schedule.job_id) if schedule.job_id else None
    if before and before.finished_at is None:
        about = {"task": schedule.task, "job_id": str(before.id)}
        logger.warning("run skipped: the last one is still in progress", extra=about)
    else:
        job = registry[schedule.task].job()
        job.run_at = schedule.next_at
        session.add(job)
        schedule.job_id = job.id
    schedule.rule, schedule.next_at = str(rule), next_after(rule, now())
