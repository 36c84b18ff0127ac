"""Whatever a client sends: the response says what is wrong, and nothing is stored."""

import json
import logging
from urllib.parse import quote

import httpx
import pytest

from app.database import Database
from app.jobs import Job
from app.telemetry.log import JsonFormatter, TextFormatter
from app.users.models import User
from app.web import middleware
from tests.platform.data import ADA
from tests.support.problems import is_problem
from tests.support.rows import rows

pytestmark = pytest.mark.slow

RIGHT_TO_LEFT, LONE_SURROGATE = "\u202e", "\ud800"
MORE_DIGITS_THAN_PYTHON_READS = "9" * 5000


async def post(
    client: httpx.AsyncClient, body: bytes, content_type: str = "application/json"
) -> httpx.Response:
    headers = httpx.Headers({"Content-Type": content_type}, encoding="latin-1")
    return await client.post("/users", content=body, headers=headers)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, b""),
        (422, b"{"),
        (422, b"null"),
        (422, b"[]"),
        (422, b'{"email": NaN, "full_name": -Infinity}'),
        (422, b'{"email": 1e999, "full_name": 1}'),
        (422, b'{"full_name": ' + b"[" * 200 + b"]" * 200 + b"}"),
        (422, json.dumps({**ADA, "email": f"ada{LONE_SURROGATE}@example.com"}).encode()),
        (422, json.dumps({**ADA, "full_name": LONE_SURROGATE}).encode()),
        (422, b'{"email": "ada@example.com", "full_name": 1%s}' % (b"0" * 4000)),
        (400, b"[" * 500_000),
        (400, b'{"email": "\xff", "full_name": "Ada"}'),
        (400, b'{"email": %s}' % MORE_DIGITS_THAN_PYTHON_READS.encode()),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_body_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, database: Database, status: int, body: bytes
) -> None:
    assert is_problem(await post(client, body), status)
    assert await rows(database, User) == []


async def test_a_body_of_another_content_type_is_refused(
    client: httpx.AsyncClient, database: Database
) -> None:
    for content_type in ("text/plain", "multipart/form-data", "a\u00fc", "", "/"):
        response = await post(client, json.dumps(ADA).encode(), content_type)
        assert is_problem(response, 422), content_type
    assert await rows(database, User) == []


@pytest.mark.parametrize(
    "name", ["\0", LONE_SURROGATE, RIGHT_TO_LEFT, "a" * 10_000], ids=lambda name: ascii(name)[:40]
)
async def test_an_unknown_field_is_not_stored(
    client: httpx.AsyncClient, database: Database, name: str
) -> None:
    response = await post(client, json.dumps({**ADA, name: name}).encode())
    assert response.status_code == 201
    assert [set(job.arguments) for job in await rows(database, Job)] == [
        {"event", "subject"},
        {"email", "full_name"},
    ]


@pytest.mark.parametrize(
    "given",
    ["\0", "\n", RIGHT_TO_LEFT, "{}", "1", MORE_DIGITS_THAN_PYTHON_READS],
    ids=lambda value: ascii(value)[:40],
)
async def test_a_bad_id_is_refused(client: httpx.AsyncClient, given: str) -> None:
    assert is_problem(await client.get(f"/jobs/{quote(given)}"), 422)


@pytest.mark.parametrize(
    "given",
    ["", "-1", "1.5", "1e9", "NaN", "\0", "\u0661", str(2**31), str(2**63), "9" * 5000],
    ids=lambda value: ascii(value)[:40],
)
async def test_a_bad_page_is_refused(client: httpx.AsyncClient, given: str) -> None:
    for name in ("limit", "offset"):
        assert is_problem(await client.get("/jobs", params={name: given}), 422)


async def test_no_query_string_is_an_error_of_the_service(client: httpx.AsyncClient) -> None:
    for query in ("%ff", "%00", "=&=", "limit", "%ed%a0%80=%ed%a0%80", "a=%"):
        for path in ("/jobs", "/health/live", "/users/"):
            assert not (await client.get(f"{path}?{query}")).is_server_error, query


@pytest.mark.parametrize(
    "path",
    ["/a\r\nERROR forged", "/a\x1b[31m", "/\u2028forged", f"/{RIGHT_TO_LEFT}", "/\0"],
    ids=ascii,
)
async def test_a_request_is_one_line_in_the_log_whatever_its_path(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.INFO, middleware.__name__):
        assert is_problem(await client.get(quote(path)), 404)
    [record] = [record for record in caplog.records if record.name == middleware.__name__]
    for formatter in (JsonFormatter(), TextFormatter()):
        assert formatter.format(record).isprintable()
