"""Metrics of jobs, read from the jobs table: they are the same on every engine.

Each web process reports the jobs of the whole service, whichever process runs them.
"""

import asyncio
import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram
from sqlalchemy import Executable, Row, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.database import Database, utc_now
from app.jobs.models import NOT_SUCCEEDED, Job, Status

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3
# A row may become visible after its finished_at: commits take time, and clocks differ.
OVERLAP = timedelta(seconds=30)
SHOWN = (Status.QUEUED, Status.RUNNING, Status.FAILED)
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)

before = aliased(Job)
could_start_at = case((before.finished_at > Job.run_at, before.finished_at), else_=Job.run_at)


def not_succeeded(now: datetime) -> Executable:
    is_queued, is_running = Job.status == Status.QUEUED, Job.status == Status.RUNNING
    follows = or_(Job.after_id.is_(None), before.status == Status.SUCCEEDED)
    is_due = and_(is_queued, Job.run_at <= now, follows)
    return (
        select(
            Job.task,
            Job.status,
            func.count().label("jobs"),
            func.count(case((is_due, 1))).label("due"),
            func.count(case((is_queued, Job.error))).label("retrying"),
            func.min(case((is_due, could_start_at), (is_running, Job.started_at))).label("since"),
        )
        .outerjoin(before, before.id == Job.after_id)
        # The second is implied, but leads SQLite to the small index.
        .where(Job.status.in_(SHOWN), NOT_SUCCEEDED)
        .group_by(Job.task, Job.status)
    )


def outcomes(since: datetime) -> Executable:
    times = (Job.started_at, Job.finished_at, could_start_at.label("could_start_at"))
    return (
        select(Job.id, Job.attempts, Job.task, Job.status, *times)
        .outerjoin(before, before.id == Job.after_id)
        .where(Job.finished_at > since)
        .order_by(Job.finished_at)
    )


def seconds(begin: datetime, end: datetime) -> float:
    # It would be negative if two clocks differ.
    return max((end - begin).total_seconds(), 0)


class JobMetrics:
    def __init__(self, registry: CollectorRegistry, tasks: Iterable[str]) -> None:
        self._tasks = tuple(tasks)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=BUCKETS, registry=registry)

        self._up = gauge("jobs_up", "0 if the jobs table cannot be read: gauges are omitted")
        self._jobs = gauge("jobs", "Jobs that have not succeeded", "task", "status")
        self._due = gauge("jobs_due", "Queued jobs that could start now", "task")
        self._retrying = gauge("jobs_retrying", "Queued jobs that have failed before", "task")
        self._oldest = gauge("jobs_oldest_age_seconds", "Longest due, or running", "task", "status")
        self._runs = histogram("job_run_duration_seconds", "Last tries", "task", "outcome")
        self._waits = histogram("job_wait_duration_seconds", "Time from due to started", "task")
        # A series that begins with its first failure would show no increase.
        for task in self._tasks:
            self._waits.labels(task)
            for outcome in (Status.SUCCEEDED, Status.FAILED):
                self._runs.labels(task, outcome)
        self._begun = self._newest = utc_now()
        self._counted: dict[tuple[uuid.UUID, int], datetime] = {}
        self._turn = asyncio.Lock()

    async def update(self, database: Database) -> None:
        """Read the open jobs, and those that ended since the last update."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._turn, database.stream() as session:
                await self._count_outcomes(session)
                now = utc_now()
                found = (await session.execute(not_succeeded(now))).all()
        except Exception as error:
            logger.warning("metrics of jobs are not available: %r", error)
            self._clear()
        else:
            self._clear()
            self._show(now, found)

    async def _count_outcomes(self, session: AsyncSession) -> None:
        """Count each outcome once. A retried job has several."""
        rows = await session.stream(outcomes(self._since))
        async for row in rows:
            outcome = (row.id, row.attempts)
            if outcome not in self._counted:
                self._counted[outcome] = row.finished_at
                started_at = row.started_at or row.finished_at
                self._waits.labels(row.task).observe(seconds(row.could_start_at, started_at))
                ran = seconds(started_at, row.finished_at)
                self._runs.labels(row.task, row.status).observe(ran)
            # A clock that is ahead must not hide the rows of other processes.
            self._newest = max(self._newest, min(row.finished_at, utc_now()))
        since = self._since
        self._counted = {key: at for key, at in self._counted.items() if at > since}

    @property
    def _since(self) -> datetime:
        return max(self._begun, self._newest - OVERLAP)

    def _clear(self) -> None:
        self._up.set(0)
        for gauge in (self._jobs, self._due, self._retrying, self._oldest):
            gauge.clear()

    def _show(self, now: datetime, found: Sequence[Row[Any]]) -> None:
        self._up.set(1)
        for task in self._tasks:
            self._due.labels(task).set(0)
            self._retrying.labels(task).set(0)
            self._jobs.labels(task, Status.FAILED).set(0)
            for status in (Status.QUEUED, Status.RUNNING):
                self._jobs.labels(task, status).set(0)
                self._oldest.labels(task, status).set(0)
        for row in found:
            self._jobs.labels(row.task, row.status).set(row.jobs)
            if row.status is Status.QUEUED:
                self._due.labels(row.task).set(row.due)
                self._retrying.labels(row.task).set(row.retrying)
            if row.since:
                self._oldest.labels(row.task, row.status).set(seconds(row.since, now))
