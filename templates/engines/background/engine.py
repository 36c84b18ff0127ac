"""Runs jobs in the web process itself, after the response."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.db import Database
from app.jobs import Job
from app.jobs.perform import perform


class BackgroundEngine:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, jobs: Sequence[Job]) -> None:
        to_run = deque(jobs)
        while to_run:
            to_run.extend(await perform(self._database, to_run.popleft().id))

    async def waiting(self) -> int:
        # A job waits in the memory of a process, which keeps it in hand while it lives.
        return 0


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[BackgroundEngine]:
    yield BackgroundEngine(database)
