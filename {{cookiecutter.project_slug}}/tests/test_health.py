"""Alive, and ready for work."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database, open_database
from app.web import health
from tests.conftest import client_of
from tests.engine import FakeEngine

REFUSED = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
UNRESOLVED = "postgresql+asyncpg://nobody@nowhere.invalid/nothing"


async def test_a_process_that_answers_is_alive(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_service_is_ready_with_its_database_and_its_broker(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok"}


async def test_a_service_on_an_old_schema_says_so(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.write.begin() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "database": "not migrated: run alembic upgrade head",
        "broker": "ok",
    }


async def test_a_service_without_its_broker_says_so(
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


async def test_a_broker_that_hangs_does_not_hang_the_answer(
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


async def test_a_service_without_its_database_says_so(app: FastAPI, engine: FakeEngine) -> None:
    async with open_database(REFUSED) as database, client_of(app, database, engine) as client:
        response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "database": "does not answer",
        "broker": "ok",
    }


@pytest.mark.parametrize("url", [REFUSED, UNRESOLVED])
async def test_a_request_without_a_database_is_asked_to_come_again(
    app: FastAPI, engine: FakeEngine, url: str
) -> None:
    async with open_database(url) as database, client_of(app, database, engine) as client:
        response = await client.get("/users")
    assert response.status_code == response.json()["status"] == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "1"
