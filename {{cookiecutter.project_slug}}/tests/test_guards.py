"""What every request must pass, and what every answer carries."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Response

from app.database import Database
from app.main import create_app
from app.users.models import User
from tests.conftest import Environ
from tests.problems import is_problem
from tests.rows import rows
from tests.test_settings import PRODUCTION

HOST = {"Host": "api.example.com"}
PAGE = {"Origin": "https://app.example.com"}
MOST_BYTES = 1000
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def app(environ: Environ, database_url: str) -> FastAPI:
    """The service as it is set in production."""
    environ(**{**PRODUCTION, "DATABASE_URL": database_url})
    environ(TRUSTED_HOSTS="api.example.com, *.internal.example.com, [::1]")
    environ(CORS_ORIGINS=PAGE["Origin"], MAX_BODY_BYTES=str(MOST_BYTES))
    return create_app()


@pytest.fixture
def https(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.base_url = httpx.URL("https://api.example.com")
    return client


@pytest.mark.parametrize(
    "host",
    ["api.example.com", "API.Example.com:8000", "orders.internal.example.com", "[::1]:8000"],
)
async def test_a_request_to_a_trusted_host_is_answered(
    client: httpx.AsyncClient, host: str
) -> None:
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
async def test_a_request_to_another_host_is_refused(client: httpx.AsyncClient, host: str) -> None:
    for path in ("/openapi.json", "/users/", "/nowhere", "/health/live/"):
        response = await client.get(path, headers={"Host": host})
        assert is_problem(response, 400)
        assert "location" not in response.headers


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_probe_may_call_by_address(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Host": "10.1.2.3:8000"})).status_code == 200


async def test_pages_of_a_listed_site_may_call(client: httpx.AsyncClient) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Authorization, Content-Type, X-Request-ID",
    }
    preflight = await client.options("/users", headers=HOST | PAGE | asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE["Origin"]
    for path, status in {"/users": 401, "/health/live": 200}.items():
        response = await client.get(path, headers=HOST | PAGE)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == PAGE["Origin"]
        assert response.headers["access-control-expose-headers"] == "X-Request-ID"


@pytest.mark.parametrize("origin", ["https://evil.test", "http://app.example.com", "null"])
async def test_pages_of_other_sites_may_not(client: httpx.AsyncClient, origin: str) -> None:
    asks = {"Access-Control-Request-Method": "POST"}
    preflight = await client.options("/users", headers=HOST | asks | {"Origin": origin})
    assert preflight.status_code == 400
    response = await client.get("/health/live", headers={"Origin": origin})
    for answer in (preflight, response):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/health/live", "/users", "/nowhere", "/docs", "/broken"])
async def test_every_answer_is_safe_to_receive(
    app: FastAPI, https: httpx.AsyncClient, path: str
) -> None:
    @app.get("/broken")
    async def fail() -> None:
        raise RuntimeError

    answered = (await https.get(path)).headers
    assert answered["cache-control"] == "no-store"
    assert answered["content-security-policy"] == "frame-ancestors 'none'"
    assert answered["referrer-policy"] == "no-referrer"
    assert answered["strict-transport-security"] == "max-age=31536000"
    assert answered["x-content-type-options"] == "nosniff"
    assert answered["x-frame-options"] == "DENY"


async def test_a_route_may_say_otherwise(app: FastAPI, https: httpx.AsyncClient) -> None:
    @app.get("/logo")
    async def answer(response: Response) -> None:
        response.headers["Cache-Control"] = "max-age=60"

    assert (await https.get("/logo")).headers["cache-control"] == "max-age=60"


async def test_what_came_without_encryption_asks_for_none(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/live")
    assert "strict-transport-security" not in response.headers


def user_of(size: int) -> bytes:
    """Ada, in a body of so many bytes."""
    return b'{"email": "ada@example.com", "full_name": "Ada"}'.ljust(size)


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


async def test_a_body_may_be_as_large_as_the_limit(
    https: httpx.AsyncClient, database: Database
) -> None:
    response = await https.post("/users", content=user_of(MOST_BYTES), headers=JSON)
    assert response.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": str(MOST_BYTES + 1)},
        {"Content-Length": "9" * 18},
        {"Content-Length": "10"},
        {"Content-Length": "-1"},
        {"Content-Length": "\u00b2".encode("latin-1")},
        {"Transfer-Encoding": "chunked"},
    ],
    ids=str,
)
async def test_a_larger_body_is_refused(
    https: httpx.AsyncClient, database: Database, headers: dict[str, str]
) -> None:
    body = in_chunks(user_of(MOST_BYTES + 1))
    response = await https.post("/users", content=body, headers=JSON | headers)
    assert is_problem(response, 413)
    assert response.headers["connection"] == "close"
    assert await rows(database, User) == []
