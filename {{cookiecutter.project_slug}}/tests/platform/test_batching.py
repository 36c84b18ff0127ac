"""Batches: what several tasks write at the same time is written together."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.database.batching import MAX_BATCH, Batches
from app.database.engines import DatabaseUnavailable, autocommit
from app.users.models import AuditEntry
from tests.support.rows import rows


class Entries:
    """Writes entries when a test lets it, and notes which ones were written together."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(
        self, connection: AsyncConnection, events: Sequence[str]
    ) -> Sequence[str | Exception]:
        self.batches.append(list(events))
        self.has_begun.set()
        await self.may_end.wait()
        if "unavailable" in events:
            raise DatabaseUnavailable("unavailable")
        accepted = [event for event in events if event != "refused"]
        entries = [{"event": event, "subject": "ada"} for event in accepted]
        await connection.execute(insert(AuditEntry), entries)
        return [event.upper() if event in accepted else ValueError(event) for event in events]


@pytest.fixture
def entries() -> Entries:
    return Entries()


@pytest.fixture
def batches(database: Database, entries: Entries) -> Batches[str, str]:
    async def write(events: Sequence[str]) -> Sequence[str | Exception]:
        async with autocommit(database.engine).connect() as connection:
            return await entries(connection, events)

    return Batches(write)


async def written(database: Database) -> set[str]:
    return {entry.event for entry in await rows(database, AuditEntry)}


async def asked_during_a_batch(
    batches: Batches[str, str], entries: Entries, *events: str
) -> list[asyncio.Task[str]]:
    asked = [asyncio.create_task(batches.join("first"))]
    await entries.has_begun.wait()
    asked += [asyncio.create_task(batches.join(event)) for event in events]
    await asyncio.sleep(0)
    return asked


async def test_items_that_arrive_during_a_batch_make_up_the_next(
    batches: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_batch(batches, entries, "second", "third")
    entries.may_end.set()
    assert await asyncio.gather(*asked) == ["FIRST", "SECOND", "THIRD"]
    assert entries.batches == [["first"], ["second", "third"]]
    assert await written(database) == {"first", "second", "third"}


async def test_a_batch_has_a_maximum_size(batches: Batches[str, str], entries: Entries) -> None:
    entries.may_end.set()
    events = [str(number) for number in range(MAX_BATCH + 1)]
    await asyncio.gather(*(batches.join(event) for event in events))
    assert [len(together) for together in entries.batches] == [MAX_BATCH, 1]


async def test_a_refused_item_does_not_affect_the_others(
    batches: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_batch(batches, entries, "refused", "third")
    entries.may_end.set()
    with pytest.raises(ValueError, match="refused"):
        await asked[1]
    assert await asked[2] == "THIRD"
    assert await written(database) == {"first", "third"}


async def test_an_outage_is_reported_to_every_item_of_the_batch(
    batches: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_batch(batches, entries, "unavailable", "third")
    entries.may_end.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in found] == [str, DatabaseUnavailable, DatabaseUnavailable]
    assert entries.batches == [["first"], ["unavailable", "third"]]
    assert await written(database) == {"first"}


async def test_an_item_that_is_cancelled_before_its_batch_is_not_written(
    batches: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_batch(batches, entries, "second", "third")
    asked[1].cancel()
    await asyncio.wait([asked[1]])
    entries.may_end.set()
    assert await asked[2] == "THIRD"
    assert await written(database) == {"first", "third"}


async def test_an_item_that_is_cancelled_during_its_batch_does_not_affect_the_others(
    batches: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_batch(batches, entries, "second")
    asked[0].cancel()
    entries.may_end.set()
    assert await asked[1] == "SECOND"
    assert await written(database) == {"first", "second"}
