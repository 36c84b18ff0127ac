"""Ids, transactions, and writing to a database that is unavailable for a while."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database, new_id, open_database
from app.database.engines import DatabaseUnavailable
from app.jobs.runtime import perform
from app.settings import get_settings
from app.users.models import AuditEntry
from tests.platform.data import REFUSED
from tests.support.environment import Environ
from tests.support.rows import rows


class Change:
    """Writes entries, unless the database is unavailable, and counts how often it was called."""

    def __init__(self, outages: int) -> None:
        self.tries = 0
        self._outages = outages

    async def __call__(self, connection: AsyncConnection, events: Sequence[str]) -> Sequence[str]:
        self.tries += 1
        if self.tries <= self._outages:
            raise DatabaseUnavailable("the database is restarted")
        entries = [{"event": event, "subject": str(self.tries)} for event in events]
        await connection.execute(insert(AuditEntry), entries)
        return ["done" for _ in events]


def test_ids_grow_with_time_and_are_random_otherwise() -> None:
    ids = [new_id() for _ in range(10_000)]
    milliseconds = [made.int >> 80 for made in ids]
    assert milliseconds == sorted(milliseconds)
    assert abs(milliseconds[-1] - time.time_ns() // 1_000_000) < 60_000
    assert {(made.version, made.variant) for made in ids} == {(7, uuid.RFC_4122)}
    assert len({made.int & ((1 << 62) - 1) for made in ids}) == len(ids)


@pytest.mark.slow
async def test_a_write_is_retried_until_the_database_is_available(
    database: Database,
) -> None:
    change, patience = Change(outages=1), timedelta(seconds=30)
    assert await database.write_with_retry(change, "written", patience) == "done"
    assert [entry.subject for entry in await rows(database, AuditEntry)] == ["2"]


async def test_a_write_is_not_retried_for_ever(database: Database) -> None:
    change = Change(outages=1)
    with pytest.raises(DatabaseUnavailable):
        await database.write_with_retry(change, "written", timedelta(0))
    assert change.tries == 1


async def test_a_session_without_a_commit_writes_nothing(database: Database) -> None:
    for subject in ("first", "second"):
        async with database.write() as session:
            session.add(AuditEntry(event="written", subject=subject))
            await session.flush()
    assert await rows(database, AuditEntry) == []


@pytest.mark.slow
async def test_a_cancelled_wait_for_the_write_lock_leaves_no_transaction_behind(
    database: Database,
) -> None:
    async with open_database(get_settings().database_url) as other:

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), other.begin_write():
                    await asyncio.Event().wait()

        async with database.begin_write():
            given_up = asyncio.create_task(give_up())
            await asyncio.wait([given_up], timeout=0.3)
        await given_up
        for each in (database, other):
            async with each.begin_write() as session:
                session.add(AuditEntry(event="written", subject="afterwards"))
    assert len(await rows(database, AuditEntry)) == 2


@pytest.mark.slow
async def test_a_job_that_cannot_be_claimed_is_left_to_the_relay(
    environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(JOBS_LEASE_SECONDS="1")
    async with open_database(REFUSED) as database:
        await perform(database, uuid.uuid4())
    assert "a job could not be claimed, and will run later" in caplog.text
