"""Errors as responses."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.database import Database
from app.jobs import Job, task
from app.web import Uow
from tests.support.problems import is_problem
from tests.support.rows import rows

Body = dict[str, float | str | list[Any]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/jobs", 405), ("GET", "/jobs/1", 422)],
)
async def test_what_the_framework_refuses_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert is_problem(await client.request(method, path), status)


@pytest.mark.usefixtures("own_tasks")
@pytest.mark.parametrize("value", ["NaN", "1e400", "-Infinity", '"\\ud800"', "[" * 300 + "]" * 300])
async def test_a_value_that_a_job_cannot_carry_is_a_problem(
    app: FastAPI, client: httpx.AsyncClient, database: Database, value: str
) -> None:
    @task()
    def note(body: Body) -> None: ...

    @app.post("/notes")
    async def enqueue(uow: Uow, body: Body) -> None:
        uow.enqueue(note, body)

    body = "".join(['{"value": ', value, "}"])
    headers = {"Content-Type": "application/json"}
    response = await client.post("/notes", content=body, headers=headers)
    assert is_problem(response, 422)
    assert response.json()["detail"].startswith("note: parameter body would not arrive")
    assert await rows(database, Job) == []


@pytest.mark.usefixtures("own_tasks")
async def test_a_nul_in_an_argument_is_stored(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    @task()
    def note(value: str) -> None: ...

    @app.post("/notes")
    async def enqueue(uow: Uow, body: dict[str, str]) -> None:
        uow.enqueue(note, body["value"])

    assert (await client.post("/notes", json={"value": "a\0b"})).status_code == 200
    [job] = await rows(database, Job)
    assert note.unpack(job) == {"value": "a\0b"}
