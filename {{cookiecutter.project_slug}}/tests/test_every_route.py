"""What holds for every route: its errors, its request id, its line in the log."""

import logging
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from app.database import Database
from app.jobs import Job
from tests.problems import is_problem
from tests.rows import rows
from tests.test_users_routes import ADA


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/users", 405)]
)
async def test_what_the_framework_refuses_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert is_problem(await client.request(method, path), status)


async def test_a_request_id_is_made_and_answered(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live")
    assert uuid.UUID(response.headers["x-request-id"])


async def test_a_request_id_travels_into_the_answer_and_into_the_jobs(
    client: httpx.AsyncClient, database: Database
) -> None:
    response = await client.post("/users", json=ADA, headers={"X-Request-ID": "from.outside-1"})
    assert response.headers["x-request-id"] == "from.outside-1"
    assert [job.request_id for job in await rows(database, Job)] == ["from.outside-1"] * 2


@pytest.mark.parametrize("given", ["two words", "x" * 65, ""])
async def test_a_request_id_that_could_disturb_a_log_is_replaced(
    client: httpx.AsyncClient, given: str
) -> None:
    response = await client.get("/health/live", headers={"X-Request-ID": given})
    assert uuid.UUID(response.headers["x-request-id"])


async def test_a_request_is_one_line_in_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.web.middleware"):
        await client.get("/users?limit=1")
    [record] = [record for record in caplog.records if record.name == "app.web.middleware"]
    assert record.getMessage() == "GET /users"
    assert vars(record)["status"] == 200
    assert vars(record)["ms"] > 0


async def test_no_web_page_may_call_unless_its_site_is_listed(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live", headers={"Origin": "https://app.example.com"})
    assert [name for name in response.headers if name.startswith("access-control")] == []


async def test_an_error_in_the_code_is_answered_without_its_details_and_logged_with_them(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    async def fail() -> None:
        raise RuntimeError("a detail")

    response = await client.get("/broken", headers={"X-Request-ID": "the-request"})
    assert is_problem(response, 500)
    assert "a detail" not in response.text
    assert response.headers["x-request-id"] == "the-request"
    records = [record for record in caplog.records if record.name == "app.web.middleware"]
    assert [record.getMessage() for record in records] == ["request failed", "GET /broken"]
    assert "a detail" in caplog.text


async def test_the_documentation_names_the_media_type_of_errors(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    answers = paths["/users"]["post"]["responses"]
    assert set(answers["default"]["content"]) == {"application/problem+json"}


async def test_an_answer_that_breaks_off_is_not_mended(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async def half_of_it() -> AsyncIterator[bytes]:
        yield b"half of it"
        raise RuntimeError("a detail")

    @app.get("/broken-off")
    async def answer() -> StreamingResponse:
        return StreamingResponse(half_of_it())

    with pytest.raises(RuntimeError, match="a detail"):
        await client.get("/broken-off")
