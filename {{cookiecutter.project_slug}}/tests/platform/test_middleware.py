"""What every request passes, and what every response carries."""

import logging
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from app.database import Database
from app.jobs import Job
from app.main import create_app
from app.users.models import User
from app.web import middleware
from tests.platform.data import ADA, PRODUCTION
from tests.support.environment import Environ
from tests.support.problems import is_problem
from tests.support.rows import rows

HOST = {"Host": "api.example.com"}
PAGE = {"Origin": "https://app.example.com"}
MAX_BYTES = 1000
JSON = {"Content-Type": "application/json"}
SAFE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.fixture
def app(database: Database, environ: Environ) -> FastAPI:
    """The service with the settings of production."""
    environ(**{name: PRODUCTION[name] for name in PRODUCTION.keys() - {"DATABASE_URL"}})
    environ(TRUSTED_HOSTS="api.example.com, *.internal.example.com, [::1]")
    environ(CORS_ORIGINS=PAGE["Origin"], MAX_BODY_BYTES=str(MAX_BYTES))
    return create_app()


@pytest.fixture
def https(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.base_url = httpx.URL("https://api.example.com")
    return client


def log_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == middleware.__name__]


@pytest.mark.parametrize(
    "host",
    ["api.example.com", "API.Example.com:8000", "orders.internal.example.com", "[::1]:8000"],
)
async def test_an_allowed_host_header_is_accepted(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/openapi.json", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "127.0.0.1:8000",
        "evil.test",
        "api.example.com.evil.test",
        "api.example.com:80:80",
        "evil.test@api.example.com",
        "evil.test/.internal.example.com",
        "internal.example.com",
        "[::1",
    ],
)
async def test_another_host_header_is_refused(client: httpx.AsyncClient, host: str) -> None:
    for path in ("/openapi.json", "/users/", "/nowhere", "/health/live/"):
        response = await client.get(path, headers={"Host": host})
        assert is_problem(response, 400)
        assert "location" not in response.headers


async def test_probes_may_use_the_address_of_the_process(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/health/ready"):
        assert (await client.get(path, headers={"Host": "10.1.2.3:8000"})).status_code == 200


async def test_pages_of_an_allowed_origin_may_call(client: httpx.AsyncClient) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Authorization, Content-Type, X-Request-ID",
    }
    preflight = await client.options("/jobs", headers=HOST | PAGE | asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE["Origin"]
    for path, status in {"/jobs": 401, "/health/live": 200}.items():
        response = await client.get(path, headers=HOST | PAGE)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == PAGE["Origin"]
        assert response.headers["access-control-expose-headers"] == "X-Request-ID"


@pytest.mark.parametrize("origin", ["https://evil.test", "http://app.example.com", "null"])
async def test_pages_of_another_origin_may_not_call(client: httpx.AsyncClient, origin: str) -> None:
    asks = {"Access-Control-Request-Method": "POST"}
    preflight = await client.options("/jobs", headers=HOST | asks | {"Origin": origin})
    assert preflight.status_code == 400
    response = await client.get("/health/live", headers={"Origin": origin})
    for answer in (preflight, response):
        assert "access-control-allow-origin" not in answer.headers


async def test_without_allowed_origins_no_page_may_call(
    client: httpx.AsyncClient, environ: Environ
) -> None:
    environ(CORS_ORIGINS="")
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as other:
        response = await other.get("/health/live", headers=PAGE)
    assert [name for name in response.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize("path", ["/health/live", "/jobs", "/nowhere", "/docs", "/broken"])
async def test_every_response_has_safe_headers(
    app: FastAPI, https: httpx.AsyncClient, path: str
) -> None:
    @app.get("/broken")
    async def fail() -> None:
        raise RuntimeError

    headers = (await https.get(path)).headers
    assert {name: headers.get(name) for name in SAFE_HEADERS} == SAFE_HEADERS


async def test_a_route_may_set_another_header(app: FastAPI, https: httpx.AsyncClient) -> None:
    @app.get("/logo")
    async def answer(response: Response) -> None:
        response.headers["Cache-Control"] = "max-age=60"

    assert (await https.get("/logo")).headers["cache-control"] == "max-age=60"


async def test_a_response_over_http_does_not_require_https(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live")
    assert "strict-transport-security" not in response.headers


def user_of(size: int) -> bytes:
    """A body of this size."""
    return b'{"email": "ada@example.com", "full_name": "Ada"}'.ljust(size)


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


async def test_a_body_may_have_the_maximum_size(https: httpx.AsyncClient) -> None:
    response = await https.post("/users", content=user_of(MAX_BYTES), headers=JSON)
    assert response.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": str(MAX_BYTES + 1)},
        {"Content-Length": "9" * 18},
        {"Content-Length": "10"},
        {"Content-Length": "-1"},
        {"Content-Length": "\u00b2".encode("latin-1")},
        {"Transfer-Encoding": "chunked"},
    ],
    ids=ascii,
)
async def test_a_larger_body_is_refused_whatever_its_headers_say(
    https: httpx.AsyncClient, database: Database, headers: dict[str, str]
) -> None:
    body = in_chunks(user_of(MAX_BYTES + 1))
    response = await https.post("/users", content=body, headers=JSON | headers)
    assert is_problem(response, 413)
    assert response.headers["connection"] == "close"
    assert await rows(database, User) == []


async def test_a_request_id_of_the_client_is_returned_and_stored_with_the_jobs(
    https: httpx.AsyncClient, database: Database
) -> None:
    response = await https.post("/users", json=ADA, headers={"X-Request-ID": "from.outside-1"})
    assert response.headers["x-request-id"] == "from.outside-1"
    assert {job.request_id for job in await rows(database, Job)} == {"from.outside-1"}


@pytest.mark.parametrize(
    "given", ["", "two words", "x" * 65, "a\r\nSet-Cookie: b", "a\0", "\u00fc"], ids=ascii
)
async def test_an_unsafe_request_id_is_replaced(
    https: httpx.AsyncClient, database: Database, given: str
) -> None:
    headers = httpx.Headers({"X-Request-ID": given}, encoding="latin-1")
    response = await https.post("/users", json=ADA, headers=headers)
    own = response.headers["x-request-id"]
    assert uuid.UUID(own)
    assert "set-cookie" not in response.headers
    assert {job.request_id for job in await rows(database, Job)} == {own}


async def test_a_request_is_one_line_in_the_log(
    https: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, middleware.__name__):
        await https.get("/jobs?limit=1")
    [record] = log_of(caplog)
    assert record.getMessage() == "GET /jobs"
    assert vars(record)["status"] == 401
    assert vars(record)["ms"] > 0


async def test_an_error_in_the_code_is_logged_and_its_details_are_not_sent(
    app: FastAPI, https: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    async def fail() -> None:
        raise RuntimeError("a detail")

    with caplog.at_level(logging.INFO, middleware.__name__):
        response = await https.get("/broken", headers={"X-Request-ID": "the-request"})
    assert is_problem(response, 500)
    assert "a detail" not in response.text
    assert response.headers["x-request-id"] == "the-request"
    assert [record.getMessage() for record in log_of(caplog)] == ["request failed", "GET /broken"]
    assert "a detail" in caplog.text


async def test_a_response_that_breaks_off_stays_broken(
    app: FastAPI, https: httpx.AsyncClient
) -> None:
    async def half_of_it() -> AsyncIterator[bytes]:
        yield b"half of it"
        raise RuntimeError("a detail")

    @app.get("/broken-off")
    async def answer() -> StreamingResponse:
        return StreamingResponse(half_of_it())

    with pytest.raises(RuntimeError, match="a detail"):
        await https.get("/broken-off")
