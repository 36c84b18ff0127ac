"""What clients get while the database is unavailable or full, and afterwards."""

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
from tests.support.client import client_of
from tests.support.environment import Environ
from tests.support.fake_engine import FakeEngine
from tests.support.problems import is_problem
from tests.support.waiting import eventually

WHO_WAITS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
# The error of a full disk, which a test cannot fill.
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$
"""


@pytest.fixture
async def own_client(
    app: FastAPI, own_database: Database, engine: FakeEngine
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, own_database, engine) as client:
        yield client


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


async def execute_alone(database: Database, *statements: str) -> None:
    outside_transactions = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with outside_transactions.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))


@asynccontextmanager
async def client_with(
    app: FastAPI, engine: FakeEngine, environ: Environ, **settings: str
) -> AsyncIterator[httpx.AsyncClient]:
    url = get_settings().database_url
    environ(DATABASE_URL=url, **settings)
    async with open_database(url) as database, client_of(app, database, engine) as client:
        yield client


async def test_a_statement_that_takes_too_long_gets_a_503_with_retry_after(
    app: FastAPI, database: Database, engine: FakeEngine, environ: Environ
) -> None:
    async with client_with(app, engine, environ, DATABASE_STATEMENT_SECONDS="0.1") as client:
        async with locked_users(database):
            response = await register(client)
            assert is_problem(response, 503)
            assert response.headers["retry-after"] == "1"
        assert (await register(client)).status_code == 201


async def test_a_request_without_a_free_connection_gets_a_503(
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


async def test_a_request_that_loses_its_connection_gets_a_503(
    own_client: httpx.AsyncClient, own_database: Database
) -> None:
    async with locked_users(own_database):
        request = asyncio.create_task(register(own_client))
        await eventually(partial(somebody_waits, own_database))
        async with own_database.read() as session:
            pid = await who_waits(own_database)
            await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert is_problem(await request, 503)
    assert (await register(own_client)).status_code == 201


async def test_a_primary_that_turns_read_only_gives_a_503_until_connections_can_write(
    own_client: httpx.AsyncClient, own_database: Database
) -> None:
    """As in a planned failover, after which new connections lead to the new primary."""
    ready = await own_client.get("/health/ready")
    assert ready.status_code == 200
    async with own_database.engine.connect() as connection:
        name = await connection.scalar(text("SELECT current_database()"))
    turn = f'ALTER DATABASE "{name}" SET default_transaction_read_only'
    await execute_alone(own_database, f"{turn} = on")
    await own_database.engine.dispose()
    await own_database.probing.dispose()
    refused = await register(own_client)
    assert is_problem(refused, 503)
    assert refused.headers["retry-after"] == "1"
    ready = await own_client.get("/health/ready")
    assert (ready.status_code, ready.json()["database"]) == (503, "read-only")
    await execute_alone(own_database, "SET default_transaction_read_only = off", f"{turn} = off")
    assert (await register(own_client)).status_code == 201
    assert (await own_client.get("/health/ready")).status_code == 200


async def test_a_full_database_gives_a_507_and_can_be_read(
    own_client: httpx.AsyncClient, own_database: Database
) -> None:
    async with own_database.write.begin() as session:
        await session.execute(text(NO_ROOM))
        await session.execute(
            text("CREATE TRIGGER no_room BEFORE INSERT ON jobs EXECUTE FUNCTION no_room()")
        )
    assert is_problem(await register(own_client), 507)
    assert (await own_client.get("/users")).json()["total"] == 0
    async with own_database.write.begin() as session:
        await session.execute(text("DROP TRIGGER no_room ON jobs"))
    assert (await register(own_client)).status_code == 201


async def test_no_query_is_compiled(database: Database) -> None:
    """That would take seconds for a query over many jobs, which runs for a tenth of one."""
    for sessions in (database.read, database.write, database.stream):
        async with sessions() as session:
            assert await session.scalar(text("SHOW jit")) == "off"
