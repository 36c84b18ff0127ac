"""One transaction, and the jobs that belong to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from app.database.sessions import WritingSession
from app.jobs import control
from app.jobs.models import OPEN, Job
from app.jobs.task import Arguments, Task

MAX_COLLISIONS = 10


class UnitOfWork:
    """Its jobs are rows of its transaction: a commit keeps them, a rollback drops them."""

    def __init__(self, session: AsyncSession, lease: timedelta | None = None) -> None:
        self.session = session
        self._rows = cast(WritingSession, session.sync_session)
        self.jobs: list[Job] = []
        self._lease = lease

    def enqueue(
        self, task: Task[Arguments, ..., Any], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Job:
        job = task.job(*args, **kwargs)
        if self._lease and task.is_immediate:
            job.lease_until = job.created_at + self._lease
        if job.is_follower:  # its predecessors are rows of another table
            self.session.add(job)
        else:
            self._rows.insert(job)
        self.jobs.append(job)
        return job

    async def enqueue_once(
        self,
        key: str,
        task: Task[Arguments, ..., Any],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Job:
        """Return the open job of this task and key, if there is one. Otherwise enqueue one."""
        same = select(Job).where(Job.task == task.name, Job.key == key, OPEN)
        tries = count(1)
        while not (job := await self.session.scalar(same)):
            try:
                async with self.session.begin_nested():
                    job = self.enqueue(task, *args, **kwargs)
                    job.key = key
                    await self.session.flush()
                return job
            except IntegrityError:
                self.jobs.pop()
                # Another transaction may enqueue the same one, and end it before it is read here.
                if next(tries) == MAX_COLLISIONS:
                    raise
        return job

    async def cancel(self, job_id: UUID) -> bool:
        """Cancel a queued job, or ask a running one to stop. Returns whether the job was open."""
        return await control.cancel(self.session, job_id)

    async def run_now(self, job_id: UUID) -> bool:
        """Start a job that waits for its time or its next try. Returns whether it was queued."""
        return await control.run_now(self.session, job_id)

    async def retry(self, job_id: UUID) -> bool:
        """Queue a failed or cancelled job again, with all its tries. Returns whether it was."""
        return await control.retry(self.session, job_id)

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
        # A commit alone flushes only rows that the session keeps track of.
        await session.flush()
