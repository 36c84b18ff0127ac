"""What the overview shows, read at most every two seconds, however many people look at it."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, DatabaseUnavailable, utc_now
from app.jobs import Job, Status, registry
from app.jobs.metrics import tally
from app.jobs.models import NOT_SUCCEEDED, Schedule
from app.jobs.task import all_queues

TIMEOUT_SECONDS = 3
MAX_AGE_SECONDS = 2
# Counting more would take too long in an incident.
MAX_COUNT = 100_000
MINUTE = timedelta(minutes=1)
MINUTES = 60
# A row may become visible after its finished_at: the last minutes are not remembered.
OPEN_MINUTES = 3
LATEST_FAILURES = 1000
MAX_GROUPS = 20
# What differs between two errors of the same kind.
VARIABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|\d+", re.IGNORECASE)
KIND_LENGTH = 200

TALLIES = sa.union_all(
    *(
        tally(Job.task, Job.queue, Job.status, statuses=statuses, limit=MAX_COUNT)
        for statuses in ((Status.QUEUED, Status.RUNNING), (Status.FAILED,))
    )
)
FAILURES = (
    sa.select(Job.id, Job.task, Job.error, Job.finished_at)
    .where(Job.status == Status.FAILED, NOT_SUCCEEDED)
    .order_by(Job.created_at.desc())
    .limit(LATEST_FAILURES)
)
SCHEDULES = (
    sa.select(Schedule.task, Schedule.next_at, Schedule.job_id, Job.status, Job.finished_at)
    .outerjoin(Job, Job.id == Schedule.job_id)
    .order_by(Schedule.task)
)


@dataclass
class Tally:
    """Jobs of a task, of a queue, or all: a row for each task, queue and status."""

    rows: list[Any] = field(default_factory=list)

    def jobs(self, status: str) -> int:
        return sum(row.jobs for row in self.rows if row.status == status)

    def due(self) -> int:
        return sum(row.due for row in self.rows if row.status == Status.QUEUED)

    def oldest(self, status: str) -> datetime | None:
        """Since when it is due or running."""
        since = [row.since for row in self.rows if row.status == status and row.since]
        return min(since, default=None)

    def waits_long(self, now: datetime) -> bool:
        return now - (self.oldest(Status.QUEUED) or now) > MINUTE


class Minute(NamedTuple):
    begin: datetime
    ended: int
    failed: int


class Overview(NamedTuple):
    read_at: datetime
    total: Tally
    tasks: dict[str, Tally]
    queues: dict[str, Tally]
    minutes: list[Minute]
    # Failures of one task and one kind: how many, and the last one.
    failures: list[tuple[int, Any]]
    schedules: Sequence[Any]


class Board:
    """One per application."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._seen: Overview | None = None
        self._read_again_at = 0.0
        self._minutes: dict[datetime, Minute] = {}

    def forget(self) -> None:
        """Somebody has changed what it shows."""
        self._read_again_at = 0

    async def look(self, database: Database) -> Overview:
        async with self._turn:
            if self._seen is None or monotonic() >= self._read_again_at:
                started = monotonic()
                try:
                    async with asyncio.timeout(TIMEOUT_SECONDS), database.read() as session:
                        await database.read_clock()
                        self._seen = await self._read(session, utc_now())
                except TimeoutError as error:
                    raise DatabaseUnavailable("the jobs could not be read in time") from error
                # A read that takes long is repeated less often: it uses a tenth of a core at most.
                rest = max(MAX_AGE_SECONDS, 10 * (monotonic() - started))
                self._read_again_at = monotonic() + rest
            return self._seen

    async def _read(self, session: AsyncSession, now: datetime) -> Overview:
        total = Tally()
        tasks = defaultdict[str, Tally](Tally, {name: Tally() for name in registry})
        queues = defaultdict[str, Tally](Tally, {name: Tally() for name in all_queues()})
        for row in await session.execute(TALLIES):
            for shown in (total, tasks[row.task], queues[row.queue]):
                shown.rows.append(row)
        failures = _grouped((await session.execute(FAILURES)).all())
        scheduled = [name for name, task in registry.items() if task.rule]
        found = await session.execute(SCHEDULES.where(Schedule.task.in_(scheduled)))
        minutes = await self._read_minutes(session, now)
        return Overview(now, total, tasks, queues, minutes, failures, found.all())

    async def _read_minutes(self, session: AsyncSession, now: datetime) -> list[Minute]:
        last = now.replace(second=0, microsecond=0)
        shown = [last - MINUTE * number for number in reversed(range(MINUTES))]
        unknown = [begin for begin in shown if begin not in self._minutes]
        is_failed = sa.case((Job.status == Status.FAILED, 1))
        # A range for each minute, because each database divides times in its own way.
        counts = [
            sa.select(sa.literal(number), sa.func.count(), sa.func.count(is_failed))
            .select_from(Job)
            .where(Job.finished_at >= begin, Job.finished_at < begin + MINUTE)
            for number, begin in enumerate(unknown)
        ]
        for number, ended, failed in await session.execute(sa.union_all(*counts)):
            self._minutes[unknown[number]] = Minute(unknown[number], ended, failed)
        minutes = [self._minutes[begin] for begin in shown]
        self._minutes = {minute.begin: minute for minute in minutes[:-OPEN_MINUTES]}
        return minutes


def _grouped(failures: Sequence[Any]) -> list[tuple[int, Any]]:
    groups = defaultdict[tuple[str, str], list[Any]](list)
    for row in failures:
        groups[row.task, VARIABLE.sub("#", (row.error or "")[:KIND_LENGTH])].append(row)
    largest = sorted(groups.values(), key=len, reverse=True)[:MAX_GROUPS]
    return [(len(rows), max(rows, key=lambda row: row.finished_at)) for rows in largest]
