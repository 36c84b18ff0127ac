"""Metrics of jobs, read from the jobs table: they are the same on every engine.

Each web process reports the jobs of the whole service, whichever process runs them.
"""

import asyncio
import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram
from sqlalchemy import Row, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.database import Database, utc_now
from app.jobs.models import IS_QUEUED, NOT_SUCCEEDED, Job, Predecessor, Status
from app.jobs.runtime.due import MAY_START

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3
# A row may become visible after its finished_at, because a commit takes time.
OVERLAP = timedelta(seconds=30)
SHOWN = (Status.QUEUED, Status.RUNNING, Status.FAILED)
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)

before = aliased(Job)
END_BEFORE = (
    select(func.max(before.finished_at))
    .join(Predecessor, Predecessor.predecessor_id == before.id)
    .where(Predecessor.job_id == Job.id)
    .scalar_subquery()
)
COULD_START_AT = case((Job.is_follower & (Job.run_at < END_BEFORE), END_BEFORE), else_=Job.run_at)
IS_DUE = IS_QUEUED & MAY_START
# Of a queued job, set if and only if it is due.
SINCE = case((IS_DUE, COULD_START_AT), (Job.status == Status.RUNNING, Job.started_at))


def tally(
    *group: InstrumentedAttribute[Any], statuses: Sequence[Status], limit: int | None = None
) -> Select[Any]:
    """Of each group: how many jobs it has, are due, and have failed before, and since when."""
    has_failed = case((IS_QUEUED & Job.error.is_not(None), True))
    chosen = select(*group, SINCE.label("since"), has_failed.label("has_failed"))
    # The second condition is implied, but leads SQLite to the small index.
    jobs = chosen.where(Job.status.in_(statuses), NOT_SUCCEEDED).limit(limit).subquery().c
    names = [jobs[column.key] for column in group]
    return select(
        *names,
        func.count().label("jobs"),
        func.count(jobs.since).label("due"),
        func.count(jobs.has_failed).label("retrying"),
        func.min(jobs.since).label("since"),
    ).group_by(*names)


NOT_ENDED_WELL = tally(Job.task, Job.status, statuses=SHOWN)
OUTCOMES = select(
    *(Job.id, Job.attempts, Job.task, Job.status, Job.started_at, Job.finished_at),
    COULD_START_AT.label("could_start_at"),
).order_by(Job.finished_at)


def seconds(begin: datetime, end: datetime) -> float:
    # It would be negative if the clock was set back.
    return max((end - begin).total_seconds(), 0)


class JobMetrics:
    def __init__(self, registry: CollectorRegistry, tasks: Iterable[str]) -> None:
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, buckets=BUCKETS, registry=registry)
        task, status = ["task"], ["task", "status"]
        self._tasks = tuple(tasks)
        self._up = gauge("jobs_up", "0 if the jobs table cannot be read: gauges are omitted")
        self._jobs = gauge("jobs", "Jobs that have not succeeded", status)
        self._due = gauge("jobs_due", "Queued jobs that could start now", task)
        self._retrying = gauge("jobs_retrying", "Queued jobs that have failed before", task)
        self._oldest = gauge("jobs_oldest_age_seconds", "Oldest due or running", status)
        self._waits = histogram("job_wait_duration_seconds", "Time from due to started", task)
        self._runs = histogram("job_run_duration_seconds", "Last try of a job", ["task", "outcome"])
        # A series that begins with its first failure would show no increase.
        for name, outcome in product(self._tasks, (Status.SUCCEEDED, Status.FAILED)):
            self._waits.labels(name)
            self._runs.labels(name, outcome)
        self._made_at = monotonic()
        self._begun: datetime | None = None
        self._counted: dict[tuple[uuid.UUID, int], datetime] = {}
        self._turn = asyncio.Lock()

    async def update(self, database: Database) -> None:
        """Read the open jobs, and those that ended since the last update."""
        for gauge in (self._jobs, self._due, self._retrying, self._oldest):
            gauge.clear()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._turn, database.stream() as session:
                await database.read_clock()
                await self._count_outcomes(session)
                found = (await session.execute(NOT_ENDED_WELL)).all()
        except Exception as error:
            logger.warning("metrics of jobs are not available: %r", error)
            self._up.set(0)
        else:
            self._up.set(1)
            self._show(found)

    async def _count_outcomes(self, session: AsyncSession) -> None:
        """Count each outcome once. A retried job has several."""
        if self._begun is None:  # the clock of the database was not known before
            self._begun = self._newest = utc_now() - timedelta(seconds=monotonic() - self._made_at)
        since = max(self._begun, self._newest - OVERLAP)
        async for row in await session.stream(OUTCOMES.where(Job.finished_at > since)):
            outcome = (row.id, row.attempts)
            if outcome not in self._counted:
                self._counted[outcome] = row.finished_at
                started_at = row.started_at or row.finished_at
                self._waits.labels(row.task).observe(seconds(row.could_start_at, started_at))
                ran = seconds(started_at, row.finished_at)
                self._runs.labels(row.task, row.status).observe(ran)
            # A clock that was set back must not hide newer rows.
            self._newest = max(self._newest, min(row.finished_at, utc_now()))
        since = max(self._begun, self._newest - OVERLAP)
        self._counted = {key: at for key, at in self._counted.items() if at > since}

    def _show(self, found: Sequence[Row[Any]]) -> None:
        values = {(row.task, row.status): tuple(row)[2:] for row in found}
        # Without jobs, a gauge is 0 and not missing.
        for task, status in {*product(self._tasks, SHOWN), *values}:
            jobs, due, retrying, since = values.get((task, status), (0, 0, 0, None))
            self._jobs.labels(task, status).set(jobs)
            if status is Status.FAILED:
                continue
            self._oldest.labels(task, status).set(seconds(since, utc_now()) if since else 0)
            if status is Status.QUEUED:
                self._due.labels(task).set(due)
                self._retrying.labels(task).set(retrying)
