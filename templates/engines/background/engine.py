"""Runs jobs in the web process, after the response."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from pydantic import Field
from pydantic_settings import BaseSettings

from app.database import Database
from app.jobs import Job
from app.jobs.runtime import QueueFull, keep_leased, perform
from app.settings import Settings, read

# Groups of jobs that wait in the process. More wait in the database.
MAX_WAITING = 100
# Time that running jobs have to end when the process stops.
GRACE_SECONDS = 15


class EngineSettings(BaseSettings):
    model_config = Settings.model_config

    jobs_concurrency: int = Field(default=20, ge=1)
    """Maximum number of jobs of each queue that run at a time in a process."""


class Queue:
    """Its own room: a queue of slow jobs must not hold up another."""

    def __init__(self, concurrency: int) -> None:
        self.room = asyncio.Semaphore(concurrency)
        self.waiting = 0
        self.was_full = False


class BackgroundEngine:
    def __init__(self, database: Database, concurrency: int) -> None:
        self._database = database
        self._queues = defaultdict[str, Queue](lambda: Queue(concurrency))
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def send(self, jobs: Sequence[Job]) -> None:
        """Begin the jobs. Those of one request run one after another, in their order."""
        queue = self._queues[jobs[0].queue]
        if queue.waiting >= MAX_WAITING:
            queue.was_full = True
            raise QueueFull
        for _, group in groupby(jobs, lambda job: job.request_id or job.id):
            running = asyncio.create_task(self._run([*group], queue))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def waiting(self, _queue: str) -> int:
        # Jobs that wait in this process keep their lease, so none of them counts as sent.
        return 0

    async def stop(self) -> None:
        """Let running jobs end. What is late is given back, and other leases end by themselves."""
        self._is_stopping = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=GRACE_SECONDS)
            for running in late:
                running.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, jobs: Sequence[Job], queue: Queue) -> None:
        async with keep_leased(self._database, jobs):
            queue.waiting += 1
            try:
                await queue.room.acquire()
            finally:
                queue.waiting -= 1
            try:
                for job in jobs:
                    if not self._is_stopping:
                        await perform(self._database, job.id)
            finally:
                queue.room.release()
        if queue.was_full and queue.waiting < MAX_WAITING / 2:
            queue.was_full = False
            # The relay can send more.
            self._database.has_due_jobs.set()


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[BackgroundEngine]:
    engine = BackgroundEngine(database, read(EngineSettings).jobs_concurrency)
    try:
        yield engine
    finally:
        await engine.stop()
