"""Whatever a client sends, it is told what is wrong with it, and leaves nothing behind."""

import json
import logging
from urllib.parse import quote

import httpx
import pytest

from app.database import Database
from app.jobs import Job
from app.telemetry.log import JsonFormatter, TextFormatter
from app.users.models import User
from tests.problems import is_problem
from tests.rows import rows
from tests.test_users_routes import ADA

LEFT_TO_RIGHT, RIGHT_TO_LEFT, ZERO_WIDTH, HALF_A_CHARACTER = "\u200e", "\u202e", "\u200b", "\ud800"
MORE_DIGITS_THAN_PYTHON_READS = "9" * 5000


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with_type = httpx.Headers({"content-type": "application/json"} | given, encoding="latin-1")
    return await client.post("/users", content=body, headers=with_type)


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
        (400, b"[" * 500_000),
        (400, b'{"email": "\xff", "full_name": "Ada"}'),
        (400, b'{"email": %s}' % MORE_DIGITS_THAN_PYTHON_READS.encode()),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_body_that_is_no_user_is_refused(
    client: httpx.AsyncClient, database: Database, status: int, body: bytes
) -> None:
    assert is_problem(await post(client, body), status)
    assert await rows(database, User) == []


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "a\u00fc", "", "/"],
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(
    client: httpx.AsyncClient, database: Database, content_type: str
) -> None:
    response = await post(client, json.dumps(ADA).encode(), content_type=content_type)
    assert is_problem(response, 422)
    assert await rows(database, User) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", f"{'a' * 288}@example.com"),
        ("email", f"a@{'example.' * 36}com"),
        ("email", "ada@localhost"),
        ("email", "ada@[127.0.0.1]"),
        ("email", '"ada lovelace"@example.com'),
        ("email", "ada@example.com, eve@example.com"),
        ("email", "ada@example.com\r\nBcc: eve@example.com"),
        ("email", "ada\0@example.com"),
        ("email", "ada\x1b@example.com"),
        ("email", f"ada{LEFT_TO_RIGHT}@example.com"),
        ("email", f"{RIGHT_TO_LEFT}ada@example.com"),
        ("email", f"ada@exam{ZERO_WIDTH}ple.com"),
        ("email", f"ada{HALF_A_CHARACTER}@example.com"),
        ("email", ["ada@example.com"]),
        ("full_name", "A" * 300),
        ("full_name", "Ada\r\nBcc: eve@example.com"),
        ("full_name", "Ada\0"),
        ("full_name", "Ada\x1b[31m"),
        ("full_name", f"Ada {RIGHT_TO_LEFT}ecalevoL"),
        ("full_name", f"Ada{ZERO_WIDTH}"),
        ("full_name", f"Ada{HALF_A_CHARACTER}"),
        ("full_name", 10**4000),
    ],
    ids=lambda value: ascii(value)[:40],
)
async def test_text_that_could_deceive_or_disturb_is_refused(
    client: httpx.AsyncClient, database: Database, field: str, value: object
) -> None:
    response = await post(client, json.dumps({**ADA, field: value}).encode())
    assert is_problem(response, 422)
    assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]
    assert await rows(database, User) == []


@pytest.mark.parametrize("name", ["\0", HALF_A_CHARACTER, RIGHT_TO_LEFT, "a" * 10_000])
async def test_a_field_that_nobody_asked_for_is_not_kept(
    client: httpx.AsyncClient, database: Database, name: str
) -> None:
    response = await post(client, json.dumps({**ADA, name: name}).encode())
    assert response.status_code == 201
    assert [set(job.arguments) for job in await rows(database, Job)] == [
        {"event", "subject"},
        {"email", "full_name"},
    ]


@pytest.mark.parametrize(
    "given", ["\0", "\n", RIGHT_TO_LEFT, "{}", "1", MORE_DIGITS_THAN_PYTHON_READS], ids=ascii
)
async def test_what_is_no_id_is_refused(client: httpx.AsyncClient, given: str) -> None:
    for path in ("/users", "/jobs"):
        assert is_problem(await client.get(f"{path}/{quote(given)}"), 422)


@pytest.mark.parametrize(
    "given", ["", "-1", "1.5", "1e9", "NaN", "\0", "\u0661", str(2**31), str(2**63), "9" * 5000]
)
async def test_what_is_no_page_is_refused(client: httpx.AsyncClient, given: str) -> None:
    for path in ("/users", "/jobs"):
        for name in ("limit", "offset"):
            assert is_problem(await client.get(path, params={name: given}), 422)


@pytest.mark.parametrize("query", ["%ff", "%00", "=&=", "limit", "%ed%a0%80=%ed%a0%80", "a=%"])
async def test_a_query_that_nobody_understands_is_not_an_error_of_the_service(
    client: httpx.AsyncClient, query: str
) -> None:
    for path in ("/users", "/jobs", "/health/live", "/users/"):
        assert not (await client.get(f"{path}?{query}")).is_server_error


@pytest.mark.parametrize(
    "path",
    ["/a\r\nERROR forged", "/a\x1b[31m", "/\u2028forged", f"/{RIGHT_TO_LEFT}", "/\0"],
    ids=ascii,
)
async def test_a_request_is_one_line_in_the_log_whatever_its_path(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.INFO, "app.web.middleware"):
        assert is_problem(await client.get(quote(path)), 404)
    [record] = [record for record in caplog.records if record.name == "app.web.middleware"]
    for formatter in (JsonFormatter(), TextFormatter()):
        assert formatter.format(record).isprintable()


@pytest.mark.parametrize("given", ["a\r\nSet-Cookie: b", "a\0", "\u00fc", "a b", "a" * 65])
async def test_a_request_id_cannot_bring_anything_into_answers_logs_or_jobs(
    client: httpx.AsyncClient, database: Database, given: str
) -> None:
    response = await post(client, json.dumps(ADA).encode(), x_request_id=given)
    own = response.headers["x-request-id"]
    assert given not in own
    assert "set-cookie" not in response.headers
    assert {job.request_id for job in await rows(database, Job)} == {own}
