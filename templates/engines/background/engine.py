"""Runs jobs in the web process, after the response."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from app.database import Database
from app.jobs import Job
from app.jobs.runtime import keep_leased, perform

MAX_AT_ONCE = 20
# Time that running jobs have to end when the process stops.
GRACE_SECONDS = 15


class BackgroundEngine:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._room = asyncio.Semaphore(MAX_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def send(self, jobs: Sequence[Job]) -> None:
        """Begin the jobs. Those of one request run one after another, in their order."""
        for _, group in groupby(jobs, lambda job: job.request_id or job.id):
            await self._room.acquire()
            running = asyncio.create_task(self._run([*group]))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def waiting(self) -> int:
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

    async def _run(self, jobs: Sequence[Job]) -> None:
        try:
            async with keep_leased(self._database, jobs):
                for job in jobs:
                    if not self._is_stopping:
                        await perform(self._database, job.id)
        finally:
            self._room.release()


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[BackgroundEngine]:
    engine = BackgroundEngine(database)
    try:
        yield engine
    finally:
        await engine.stop()
