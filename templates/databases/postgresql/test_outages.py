"""What clients are told while the database cannot work, and that it is over when it is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database, engines, open_database
from app.settings import get_settings
from tests.conftest import Environ, client_of, eventually
from tests.engine import FakeEngine
from tests.problems import is_problem

WHO_WAITS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
# What the server says when it has no room; a test cannot fill its disk.
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$
"""


async def register(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/users", json={"email": "ada@example.com", "full_name": "Ada"})


@asynccontextmanager
async def locked_users(database: Database) -> AsyncIterator[None]:
    async with database.write() as session:
        await session.execute(text("LOCK TABLE users"))
        yield


async def who_waits(database: Database) -> int | None:
    async with database.read() as session:
        pid: int | None = await session.scalar(text(WHO_WAITS))
        return pid


async def somebody_waits(database: Database) -> bool:
    return await who_waits(database) is not None


@asynccontextmanager
async def client_with(
    app: FastAPI, engine: FakeEngine, environ: Environ, **settings: str
) -> AsyncIterator[httpx.AsyncClient]:
    url = get_settings().database_url
    environ(DATABASE_URL=url, **settings)
    async with open_database(url) as database, client_of(app, database, engine) as client:
        yield client


async def test_a_statement_that_takes_too_long_is_given_up(
    app: FastAPI, database: Database, engine: FakeEngine, environ: Environ
) -> None:
    async with client_with(app, engine, environ, DATABASE_STATEMENT_SECONDS="0.1") as client:
        async with locked_users(database):
            response = await register(client)
            assert is_problem(response, 503)
            assert response.headers["retry-after"] == "1"
        assert (await register(client)).status_code == 201


async def test_a_request_for_which_no_connection_is_free_is_asked_to_come_again(
    app: FastAPI,
    database: Database,
    engine: FakeEngine,
    environ: Environ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "WAIT_SECONDS", 0.05)
    async with client_with(app, engine, environ, DATABASE_POOL_SIZE="1") as client:
        async with locked_users(database):
            waits = asyncio.create_task(register(client))
            await eventually(partial(somebody_waits, database))
            assert is_problem(await register(client), 503)
        assert (await waits).status_code == 201


async def test_a_request_that_loses_its_connection_is_asked_to_come_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with locked_users(database):
        request = asyncio.create_task(register(client))
        await eventually(partial(somebody_waits, database))
        async with database.read() as session:
            pid = await who_waits(database)
            await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert is_problem(await request, 503)
    assert (await register(client)).status_code == 201


async def test_a_full_database_says_so_and_can_be_read(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.write.begin() as session:
        await session.execute(text(NO_ROOM))
        await session.execute(
            text("CREATE TRIGGER no_room BEFORE INSERT ON jobs EXECUTE FUNCTION no_room()")
        )
    assert is_problem(await register(client), 507)
    assert (await client.get("/users")).json()["total"] == 0
    async with database.write.begin() as session:
        await session.execute(text("DROP TRIGGER no_room ON jobs"))
    assert (await register(client)).status_code == 201
