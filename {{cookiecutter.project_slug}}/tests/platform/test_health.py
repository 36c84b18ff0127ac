"""Health checks, and requests without a database."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database, open_database
from app.web import health
from tests.platform.data import REFUSED
from tests.support.client import client_of
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
        async def waiting(self) -> int:
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
