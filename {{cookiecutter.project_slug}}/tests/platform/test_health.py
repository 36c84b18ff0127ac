"""Health checks, and requests without a database."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database, open_database
from app.database.engines import is_sqlite
from app.settings import get_settings
from app.web import health
from tests.platform.data import REFUSED
from tests.support.client import client_of
from tests.support.environment import Environ
from tests.support.fake_engine import FakeEngine

UNRESOLVED = "postgresql://nobody@nowhere.invalid/nothing"


async def test_a_process_that_responds_is_alive(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_service_with_database_and_broker_is_ready(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok"}


async def test_a_service_on_an_old_schema_is_not_ready(
    app: FastAPI, engine: FakeEngine, own_database: Database
) -> None:
    async with own_database.write.begin() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    async with client_of(app, own_database, engine) as client:
        response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "database": "not migrated: run alembic upgrade head",
        "broker": "ok",
    }


async def test_a_service_on_a_newer_schema_is_ready(
    app: FastAPI, engine: FakeEngine, own_database: Database
) -> None:
    """During a rolling deploy, old processes serve on the schema of the next release."""
    async with own_database.write.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    async with client_of(app, own_database, engine) as client:
        assert (await client.get("/health/ready")).status_code == 200


async def test_readiness_needs_no_connection_of_the_requests(
    app: FastAPI, database: Database, engine: FakeEngine, environ: Environ
) -> None:
    url = get_settings().database_url
    environ(DATABASE_POOL_SIZE="1")
    async with open_database(url) as busy, busy.read() as reading, busy.write() as writing:
        for session in (writing, reading) if is_sqlite(url) else (writing,):
            await session.execute(text("SELECT 1"))
        async with client_of(app, busy, engine) as client:
            responses = await asyncio.gather(*[client.get("/health/ready") for _ in range(20)])
    assert {response.status_code for response in responses} == {200}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_health_check_may_use_head(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.head(path)).status_code == 200


async def test_a_service_without_its_broker_is_not_ready(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.is_down = True
    response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "database": "ok",
        "broker": "does not answer",
    }


async def test_a_hanging_broker_does_not_block_the_health_check(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.05)

    class HangingEngine(FakeEngine):
        async def waiting(self, queue: str) -> int:
            return await asyncio.Event().wait()

    async with asyncio.timeout(30), client_of(app, database, HangingEngine()) as client:
        response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["broker"] == "does not answer"


async def test_a_service_without_its_database_is_not_ready(
    app: FastAPI, engine: FakeEngine
) -> None:
    async with open_database(REFUSED) as database, client_of(app, database, engine) as client:
        response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "database": "does not answer",
        "broker": "ok",
    }


@pytest.mark.parametrize("url", [REFUSED, UNRESOLVED])
async def test_a_request_without_a_database_gets_a_503_with_retry_after(
    app: FastAPI, engine: FakeEngine, url: str
) -> None:
    async with open_database(url) as database, client_of(app, database, engine) as client:
        response = await client.get("/jobs")
    assert response.status_code == response.json()["status"] == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "1"
