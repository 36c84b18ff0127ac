"""One transaction, and the jobs that belong to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.jobs.models import Job
from app.jobs.task import Arguments, Task


class UnitOfWork:
    """Its jobs are rows of its transaction: a commit keeps them, a rollback drops them."""

    def __init__(self, session: AsyncSession, lease: timedelta | None = None) -> None:
        self.session = session
        self.jobs: list[Job] = []
        self._lease = lease

    def enqueue(
        self, task: Task[Arguments, ..., Any], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Job:
        job = task.job(*args, **kwargs)
        if self._lease and not task.delay and not task.after:
            job.lease_until = job.created_at + self._lease
        self.session.add(job)
        self.jobs.append(job)
        return job

    @property
    def leased(self) -> list[Job]:
        """The jobs that whoever opened the unit of work must dispatch after the commit."""
        return [job for job in self.jobs if job.lease_until]


@asynccontextmanager
async def unit_of_work(
    database: Database, lease: timedelta | None = None
) -> AsyncIterator[UnitOfWork]:
    """Without a lease, the relay sends its jobs."""
    await database.read_clock()
    async with database.write.begin() as session:
        yield UnitOfWork(session, lease)
