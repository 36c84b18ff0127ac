"""What clients get while the database is unavailable or full, and afterwards."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text

from app.database import Database, engines, open_database, sessions
from app.settings import get_settings
from tests.support.client import client_of
from tests.support.fake_engine import FakeEngine
from tests.support.problems import is_problem

UNLIMITED = 0xFFFFFFFE


@pytest.fixture
async def own_client(
    app: FastAPI, own_database: Database, engine: FakeEngine
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, own_database, engine) as client:
        yield client


@contextmanager
def another_writer(database_url: str) -> Iterator[None]:
    writer = sqlite3.connect(make_url(database_url).database or "", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        writer.close()


async def register(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await client.post("/users", json={"email": f"{name}@example.com", "full_name": name})


async def limit_pages(database: Database, count: int) -> None:
    """The limit belongs to the connection that all writers share."""
    async with database.write.begin() as session:
        await session.execute(text(f"PRAGMA max_page_count = {count}"))


async def test_a_write_that_waits_too_long_gets_a_503_with_retry_after(
    app: FastAPI, database_url: str, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "WAIT_SECONDS", 0.05)
    async with (
        open_database(get_settings().database_url) as database,
        client_of(app, database, engine) as client,
    ):
        with another_writer(database_url):
            response = await register(client, "ada")
            assert is_problem(response, 503)
            assert response.headers["retry-after"] == "1"
            assert (await client.get("/users")).status_code == 200
        assert (await register(client, "ada")).status_code == 201


@pytest.mark.slow
async def test_a_full_database_gives_a_507_and_can_be_read(
    own_client: httpx.AsyncClient, own_database: Database
) -> None:
    await limit_pages(own_database, 1)
    responses = [await register(own_client, f"user{number}") for number in range(200)]
    assert is_problem(responses[-1], 507)
    assert {response.status_code for response in responses} <= {201, 507}
    assert (await own_client.get("/users")).status_code == 200
    await limit_pages(own_database, UNLIMITED)
    assert (await register(own_client, "ada")).status_code == 201


async def test_the_log_names_the_request_that_held_the_write_lock_for_long(
    own_client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await register(own_client, "ada")
    assert "held the write lock" not in caplog.text
    monkeypatch.setattr(sessions, "LONG_SECONDS", 0)
    assert (await own_client.get("/users")).status_code == 200
    assert "held the write lock" not in caplog.text
    await register(own_client, "grace")
    assert "held the write lock" in caplog.text
