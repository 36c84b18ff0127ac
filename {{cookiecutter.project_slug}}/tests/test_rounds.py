"""Writing at once what many ask for at once."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.database.batching import MAX_BATCH, Batches
from app.database.engines import DatabaseUnavailable, autocommit
from app.users.models import AuditEntry
from tests.rows import rows


class Entries:
    """Writes entries, and notes which ones were written together; each waits to be let."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(
        self, connection: AsyncConnection, events: Sequence[str]
    ) -> Sequence[str | Exception]:
        self.rounds.append(list(events))
        self.has_begun.set()
        await self.may_end.wait()
        if "away" in events:
            raise DatabaseUnavailable("away")
        accepted = [event for event in events if event != "refused"]
        entries = [{"event": event, "subject": "ada"} for event in accepted]
        await connection.execute(insert(AuditEntry), entries)
        return [event.upper() if event in accepted else ValueError(event) for event in events]


@pytest.fixture
def entries() -> Entries:
    return Entries()


@pytest.fixture
def rounds(database: Database, entries: Entries) -> Batches[str, str]:
    return Batches(autocommit(database.engine), entries)


async def written(database: Database) -> set[str]:
    return {entry.event for entry in await rows(database, AuditEntry)}


async def asked_during_a_round(
    rounds: Batches[str, str], entries: Entries, *events: str
) -> list[asyncio.Task[str]]:
    asked = [asyncio.create_task(rounds.join("first"))]
    await entries.has_begun.wait()
    asked += [asyncio.create_task(rounds.join(event)) for event in events]
    await asyncio.sleep(0)
    return asked


async def test_what_is_asked_during_a_round_makes_up_the_next(
    rounds: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_round(rounds, entries, "second", "third")
    entries.may_end.set()
    assert await asyncio.gather(*asked) == ["FIRST", "SECOND", "THIRD"]
    assert entries.rounds == [["first"], ["second", "third"]]
    assert await written(database) == {"first", "second", "third"}


async def test_a_round_has_an_end(rounds: Batches[str, str], entries: Entries) -> None:
    entries.may_end.set()
    events = [str(number) for number in range(MAX_BATCH + 1)]
    await asyncio.gather(*(rounds.join(event) for event in events))
    assert [len(together) for together in entries.rounds] == [MAX_BATCH, 1]


async def test_what_is_refused_is_refused_autocommit(
    rounds: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_round(rounds, entries, "refused", "third")
    entries.may_end.set()
    with pytest.raises(ValueError, match="refused"):
        await asked[1]
    assert await asked[2] == "THIRD"
    assert await written(database) == {"first", "third"}


async def test_that_the_database_is_away_is_told_to_all_at_once(
    rounds: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_round(rounds, entries, "away", "third")
    entries.may_end.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in found] == [str, DatabaseUnavailable, DatabaseUnavailable]
    assert entries.rounds == [["first"], ["away", "third"]]
    assert await written(database) == {"first"}


async def test_who_has_gone_before_a_round_is_left_out(
    rounds: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_round(rounds, entries, "second", "third")
    asked[1].cancel()
    await asyncio.wait([asked[1]])
    entries.may_end.set()
    assert await asked[2] == "THIRD"
    assert await written(database) == {"first", "third"}


async def test_who_goes_during_a_round_spoils_nothing(
    rounds: Batches[str, str], entries: Entries, database: Database
) -> None:
    asked = await asked_during_a_round(rounds, entries, "second")
    asked[0].cancel()
    entries.may_end.set()
    assert await asked[1] == "SECOND"
    assert await written(database) == {"first", "second"}
