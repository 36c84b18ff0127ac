"""Hands jobs to the engine: a request's at once, and whatever else is due, soon."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import Protocol

from sqlalchemy import ColumnElement, select

from app.connections import DatabaseAway
from app.db import Database
from app.jobs import Job, Status, outbox
from app.settings import get_settings

logger = logging.getLogger(__name__)

# How many jobs a relay sends at a time: an engine may run a job while it "sends" it.
LANES = 20
# For how long it waits for room to send as many again: one at a time would cost as much.
GATHER_SECONDS = 0.1
# How long the jobs in the lanes may take when the process stops.
GRACE_SECONDS = 10


class Engine(Protocol):
    """All that an engine is. It may lose, repeat or delay a job: the ledger copes."""

    async def send(self, jobs: Sequence[Job]) -> None:
        """Have the jobs performed, in this order; raise, soon, if not all can be passed on."""

    async def waiting(self) -> int:
        """How many sent jobs no worker has in hand yet; raise, soon, if that cannot be told."""


class Relay:
    """Any number of relays may run side by side."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._lanes: set[asyncio.Task[None]] = set()
        self._is_cut_off = False
        self._is_database_away = False
        self._interval = get_settings().jobs_relay_seconds
        self._lease = get_settings().jobs_lease
        self._look_for_lost_at = monotonic()

    async def hand_over(self, jobs: Sequence[Job]) -> None:
        """Send jobs in their order; what cannot be sent now, a relay sends later."""
        if not jobs:
            return
        keeping = asyncio.create_task(self._keep_in_hand(jobs))
        try:
            for position in range(0, len(jobs), LANES):
                some = jobs[position : position + LANES]
                if self._is_cut_off or not await self._send(some):
                    await self._hold(jobs[position:], None)
                    return
        finally:
            keeping.cancel()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])
            if self._lanes:
                _, late = await asyncio.wait(self._lanes, timeout=GRACE_SECONDS)
                for lane in late:
                    lane.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            try:
                if self._is_database_away:
                    await self._let_others_renew()
                await self.relay()
            except Exception as error:
                is_database_away = isinstance(error, DatabaseAway)
                # That something is away is said once.
                if not (self._is_database_away or (self._is_cut_off and not is_database_away)):
                    logger.warning("the relay cannot work: %r", error)
                self._is_database_away = is_database_away
            await asyncio.sleep(self._interval)

    async def _let_others_renew(self) -> None:
        """Once the database is back: whoever runs a job could not renew its lease meanwhile."""
        async with asyncio.timeout(self._lease.total_seconds()), self._database.read() as session:
            await session.execute(select(1))
        logger.info("the database answers again")
        await asyncio.sleep(self._lease.total_seconds() / 2)
        self._is_database_away = False

    async def relay(self) -> None:
        """Send what is due and in nobody's hand."""
        if self._is_cut_off:
            await self._engine.waiting()
            self._is_cut_off = False
            logger.info("jobs can be sent again")
        while await self._send_some(outbox.TO_SEND, LANES):
            pass
        if monotonic() >= self._look_for_lost_at:
            self._look_for_lost_at = monotonic() + self._lease.total_seconds()
            lost = await self._count_lost()
            while lost > 0 and (sent := await self._send_some(outbox.PERHAPS_LOST, lost)):
                lost -= sent

    async def _count_lost(self) -> int:
        async with self._database.read() as session:
            if not await outbox.exists(session, outbox.PERHAPS_LOST):
                return 0
        # In this order, a job that is claimed meanwhile does not count as lost.
        waiting = await self._engine.waiting()
        async with self._database.read() as session:
            return await outbox.count_sent(session) - waiting

    async def _send_some(self, which: ColumnElement[bool], most: int) -> int:
        most = min(most, LANES - len(self._lanes))
        if most == 0 or self._is_cut_off:
            return 0
        async with self._database.read() as session:
            if not await outbox.exists(session, which):
                return 0
        async with self._database.turn_to_write() as session:
            jobs = await outbox.take(session, which, most, self._lease)
        for job in jobs:
            if job.status is Status.FAILED:
                logger.error("job failed: %s", job.error, extra={"job_id": str(job.id)})
            else:
                lane = asyncio.create_task(self.hand_over([job]))
                self._lanes.add(lane)
                lane.add_done_callback(self._lanes.discard)
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=GATHER_SECONDS)
        return len(jobs)

    async def _send(self, jobs: Sequence[Job]) -> bool:
        try:
            await self._engine.send(jobs)
        except Exception as error:
            if not self._is_cut_off:
                logger.warning("jobs could not be sent, and will be later: %r", error)
            self._is_cut_off = True
            return False
        return True

    async def _keep_in_hand(self, jobs: Sequence[Job]) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            await self._hold(jobs, self._lease)

    async def _hold(self, jobs: Sequence[Job], lease: timedelta | None) -> None:
        # If this fails, the lease ends by itself.
        with suppress(DatabaseAway):
            async with self._database.turn_to_write() as session:
                await outbox.hold(session, jobs, lease)
