"""Leases: while one is kept, nobody else sends or runs the job.

A thread with a connection of its own renews those of this process: a task that blocks the event
loop does not stop it.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from weakref import WeakKeyDictionary

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database import Database, DatabaseUnavailable
from app.database.engines import autocommit, create_engine
from app.jobs.models import IS_QUEUED, Job
from app.jobs.runtime.due import IS_LEASED, UNTIL
from app.settings import get_settings

logger = logging.getLogger(__name__)

# Returns whether the lease is still ours.
Renew = Callable[[AsyncConnection], Awaitable[bool]]

# PostgreSQL's driver allows 32,767 parameters.
SLICE = 10_000


class Keeper:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._is_loop_asked = self._is_block_logged = False
        self._seconds = get_settings().jobs_lease_seconds / 3
        self._kept: dict[Renew, Callable[[], object]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._thread.start()

    @contextmanager
    def keep(self, renew: Renew, stop: Callable[[], object]) -> Iterator[None]:
        """Renew the lease until the block ends. If it is lost, call `stop` on the event loop."""
        self._kept[renew] = stop
        try:
            yield
        finally:
            del self._kept[renew]

    async def close(self) -> None:
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        settings = get_settings()
        engine = create_engine(settings.database_url, 1, settings.database_statement_seconds)
        with asyncio.Runner() as runner:
            while not self._closing.wait(self._seconds):
                if kept := tuple(self._kept):
                    self._watch_loop()
                    runner.run(self._renew_all(autocommit(engine), kept))
            runner.run(engine.dispose())

    async def _renew_all(self, engine: AsyncEngine, kept: Sequence[Renew]) -> None:
        for renew in kept:
            try:
                # A row that somebody has locked must not cost the others their leases.
                async with asyncio.timeout(self._seconds), engine.connect() as connection:
                    if renew in self._kept and not await renew(connection):
                        self._call(self._kept.get(renew, bool))
            except Exception as error:
                logger.warning("a lease could not be renewed: %r", error)

    def _watch_loop(self) -> None:
        if not self._is_loop_asked:
            self._is_loop_asked = True
            self._call(self._answer)
        elif not self._is_block_logged and (blocking := asyncio.current_task(self._loop)):
            self._is_block_logged = True
            stack = traceback.extract_stack(sys._current_frames().get(self._loop_thread))
            places = [f"{place.filename}:{place.lineno}" for place in stack[-3:]]
            about = {"task": blocking.get_name(), "stack": places}
            logger.warning("a task blocks the event loop: declare it with def", extra=about)

    def _answer(self) -> None:
        self._is_loop_asked = self._is_block_logged = False

    def _call(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call)


_keepers = WeakKeyDictionary[Database, Keeper]()


def keeper_of(database: Database) -> Keeper:
    if database not in _keepers:
        _keepers[database] = Keeper()
        database.closing.push_async_callback(_keepers[database].close)
    return _keepers[database]


@asynccontextmanager
async def keep_leased(database: Database, jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Keep the leases of jobs that wait to be claimed."""

    async def renew(connection: AsyncConnection) -> bool:
        await _set(connection, jobs, UNTIL)
        return True

    with keeper_of(database).keep(renew, lambda: None):
        yield


async def release(database: Database, jobs: Sequence[Job]) -> None:
    with suppress(DatabaseUnavailable):
        async with database.engine.begin() as connection:
            await _set(connection, jobs, None)


async def _set(connection: AsyncConnection, jobs: Sequence[Job], until: object) -> None:
    """Leaves alone what has been claimed meanwhile. If it fails, the leases end by themselves."""
    for start in range(0, len(jobs), SLICE):
        ids = [job.id for job in jobs[start : start + SLICE]]
        is_waiting = Job.id.in_(ids) & IS_QUEUED & IS_LEASED
        await connection.execute(update(Job).where(is_waiting).values(lease_until=until))
