"""Sends jobs to the engine: those of a request at once, and all others when they are due."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import chain
from time import monotonic
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, or_, select

from app.database import Database, DatabaseUnavailable
from app.database.batching import Batches
from app.jobs.models import Job, Status
from app.jobs.runtime import due, leases
from app.jobs.runtime.patience import ask_patiently
from app.jobs.runtime.timetable import Timetable
from app.jobs.task import DEFAULT_QUEUE
from app.settings import get_settings

logger = logging.getLogger(__name__)

BATCH = 20

Result = TypeVar("Result")


def in_batches(jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
    """A broker answers for a batch at a time, however many jobs a request has."""
    return (jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH))


class QueueFull(Exception):
    """Raised by an engine that takes no more jobs of a queue for now."""


class Engine(Protocol):
    """What an engine must do. It may lose, repeat or delay a job: the ledger copes."""

    async def send(self, jobs: Sequence[Job]) -> None:
        """Pass on jobs of one queue, in this order. Raise if the broker is silent for a second."""

    async def waiting(self, queue: str) -> int:
        """How many sent jobs no worker has yet. Raise within about a second if unknown."""


class Relay:
    """Any number of relays may run side by side."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._timetable = Timetable(database)
        is_due = select(Job.id).where(due.TO_SEND | due.PERHAPS_LOST).exists()
        self._look = select(or_(is_due, self._timetable.has_due.exists()))
        self._batches = defaultdict[str, Batches[Sequence[Job], bool]](
            lambda: Batches(self._dispatch)
        )
        self._is_broker_unavailable = False
        self._is_queue_full = False
        self._is_database_unavailable = False
        self._failing: set[object] = set()
        self._lease_seconds = get_settings().jobs_lease_seconds
        self._look_for_lost_at = monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        running = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            running.cancel()
            await asyncio.wait([running])

    @property
    def lease(self) -> timedelta | None:
        """For the jobs of a request. None while they cannot be sent at once: a relay finds them."""
        is_refused = self._is_broker_unavailable or self._is_queue_full
        return None if is_refused else timedelta(seconds=self._lease_seconds)

    async def dispatch(self, jobs: Sequence[Job]) -> None:
        """Send leased jobs in their order. What cannot be sent now, a relay sends later.

        What other requests dispatch in the meantime is sent together.
        """
        by_queue = defaultdict[str, list[Job]](list)
        for job in jobs:
            by_queue[job.queue].append(job)
        async with leases.keep_leased(self._database, jobs):
            await asyncio.gather(*(self._batches[name].join(by_queue[name]) for name in by_queue))

    async def _dispatch(self, groups: Sequence[Sequence[Job]]) -> list[bool]:
        jobs = [*chain.from_iterable(groups)]
        if not (is_sent := await self._send(jobs)):
            await leases.release(self._database, jobs)
        return [is_sent] * len(groups)

    async def relay(self) -> None:
        """Send what is due and not leased."""
        if self._is_broker_unavailable:
            await ask_patiently(partial(self._engine.waiting, DEFAULT_QUEUE))
            self._is_broker_unavailable = False
            logger.info("jobs can be sent again")
        self._is_queue_full = False
        await self._send_due()
        if monotonic() >= self._look_for_lost_at:
            self._look_for_lost_at = monotonic() + self._lease_seconds
            async with self._database.read() as session:
                queues = await due.queues_of(session, due.PERHAPS_LOST)
            for queue in queues:
                await self._send_lost(queue)

    async def _run(self) -> None:
        while True:
            if await self._attempt(self._is_anything_due):
                for step in (self._timetable.enqueue_due, self.relay):
                    await self._attempt(step)
            with suppress(TimeoutError):
                async with asyncio.timeout(get_settings().jobs_relay_seconds):
                    await self._database.has_due_jobs.wait()
            self._database.has_due_jobs.clear()

    async def _is_anything_due(self) -> bool:
        """One statement, because nearly every round of an idle process finds nothing."""
        if self._is_broker_unavailable or not self._timetable.is_entered:
            return True
        async with self._database.reading_engine.connect() as connection:
            return bool(await connection.scalar(self._look))

    async def _attempt(self, step: Callable[[], Awaitable[Result]]) -> Result | None:
        """One line is logged per outage."""
        try:
            if self._is_database_unavailable:
                await self._wait_for_database()
            result = await step()
            self._failing.discard(step)
            return result
        except Exception as error:
            self._is_database_unavailable = isinstance(error, DatabaseUnavailable)
            is_broker = self._is_broker_unavailable and not self._is_database_unavailable
            if not is_broker and step not in self._failing:
                logger.warning("jobs are not relayed: %r", error)
            self._failing.add(step)
            return None

    async def _wait_for_database(self) -> None:
        """Others could not renew the leases of running jobs meanwhile: let them do it first."""
        async with asyncio.timeout(self._lease_seconds), self._database.read() as session:
            await session.execute(select(1))
        logger.info("the database is available again")
        await asyncio.sleep(self._lease_seconds / 2)
        self._is_database_unavailable = False

    async def _send_due(self) -> None:
        async with self._database.read() as session:
            queues = await due.queues_of(session, due.TO_SEND)
        for queue in queues:
            while await self._send_some(due.TO_SEND & (Job.queue == queue), BATCH) == BATCH:
                pass

    async def _send_lost(self, queue: str) -> None:
        # In this order, a job that is claimed meanwhile does not count as lost.
        waiting = await ask_patiently(partial(self._engine.waiting, queue))
        async with self._database.read() as session:
            lost = await due.count_sent(session, queue) - waiting
        which = due.PERHAPS_LOST & (Job.queue == queue)
        while lost > 0 and (sent := await self._send_some(which, lost)):
            lost -= sent

    async def _send_some(self, which: ColumnElement[bool], limit: int) -> int:
        if self._is_broker_unavailable:
            return 0
        async with self._database.begin_write() as session:
            taken = await due.take(session, which, min(limit, BATCH))
        for job in taken:
            if job.status is not Status.QUEUED:
                logger.error("job %s: %s", job.status, job.error, extra={"job_id": str(job.id)})
        to_send = [job for job in taken if job.status is Status.QUEUED]
        async with leases.keep_leased(self._database, to_send):
            [is_sent] = await self._dispatch([to_send]) if to_send else [True]
        return len(taken) if is_sent else 0

    async def _send(self, jobs: Sequence[Job]) -> bool:
        if not self._is_broker_unavailable:
            try:
                await ask_patiently(partial(self._engine.send, jobs))
                return True
            except QueueFull:
                self._is_queue_full = True
            except Exception as error:
                logger.warning("jobs could not be sent, and will be sent later: %r", error)
                self._is_broker_unavailable = True
        return False
