"""Who may see the operators' page, and from where its forms may come."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.database import Database
from app.jobs import Status
from app.web.ops import guard
from tests.platform.data import PRODUCTION, add_job, ago, reread
from tests.support.environment import Environ
from tests.support.problems import is_problem

pytestmark = pytest.mark.slow

TOKEN = "-".join(["of", "all", "operators"])
OWN = {"Sec-Fetch-Site": "same-origin"}
ANY = "00000000-0000-0000-0000-000000000000"
PUBLIC = ("/ops/login", "/ops/logout", "/ops/static/{name}")
ACTIONS = {"action": "retry", "task": "write_audit_log", "job_id": ANY}


def paths(app: FastAPI, method: str) -> list[str]:
    """Every route of the page that requires a session."""
    found = [
        str(route.path_format)
        for route in iter_route_contexts(app.routes)
        if method in (route.methods or ()) and str(route.path_format).startswith("/ops")
    ]
    return [path.format(**ACTIONS) for path in found if path not in PUBLIC]


@pytest.fixture
def locked(environ: Environ) -> None:
    environ(OPS_TOKEN=TOKEN)


@pytest.fixture
def in_production(environ: Environ) -> None:
    environ(**{**PRODUCTION, "OPS_TOKEN": TOKEN * 3})


async def log_in(client: httpx.AsyncClient, token: str = TOKEN, wanted: str = "/ops") -> str:
    """Returns where it leads."""
    body = f"token={quote(token)}&next={quote(wanted)}"
    response = await client.post("/ops/login", content=body, headers=OWN)
    assert response.status_code == 303
    return response.headers["location"]


def leads_to_login(response: httpx.Response) -> bool:
    return response.status_code == 303 and response.headers["location"].startswith("/ops/login?")


async def test_without_a_session_each_page_leads_to_the_login(
    app: FastAPI, client: httpx.AsyncClient, locked: None
) -> None:
    assert len(paths(app, "GET")) == 3
    for path in paths(app, "GET"):
        response = await client.get(f"{path}?status=failed")
        assert leads_to_login(response), path
        query = parse_qs(urlsplit(response.headers["location"]).query)
        assert query["next"] == [f"{path}?status=failed"]
        assert "text/html" not in response.headers["content-type"]


async def test_without_a_session_no_action_changes_anything(
    app: FastAPI, client: httpx.AsyncClient, database: Database, locked: None
) -> None:
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    assert len(paths(app, "POST")) == 3
    for path in paths(app, "POST"):
        assert leads_to_login(await client.post(path.replace(ANY, str(job.id)), headers=OWN)), path
    assert (await reread(database, job)).status is Status.FAILED


async def test_a_session_opens_every_page(
    app: FastAPI, client: httpx.AsyncClient, database: Database, locked: None
) -> None:
    assert await log_in(client, wanted="/ops/jobs?status=failed") == (
        "/ops/login?next=%2Fops%2Fjobs%3Fstatus%3Dfailed&came=in"
    )
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    for path in paths(app, "GET"):
        assert (await client.get(path.replace(ANY, str(job.id)))).status_code == 200
    again = await client.get("/ops/login?next=%2Fops%2Fjobs%3Fstatus%3Dfailed&came=in")
    assert again.headers["location"] == "/ops/jobs?status=failed"
    assert (await client.post(f"/ops/jobs/{job.id}/retry", headers=OWN)).status_code == 303
    assert (await reread(database, job)).status is Status.QUEUED


async def test_a_wrong_token_opens_nothing(client: httpx.AsyncClient, locked: None) -> None:
    for token in ("", "of-others", TOKEN[:-1], f"{TOKEN} ", "\ud800", "ü"):
        body = b"token=" + quote(token.encode(errors="replace")).encode()
        response = await client.post("/ops/login", content=body, headers=OWN)
        assert response.headers["location"].endswith("&came=wrong")
        assert "set-cookie" not in response.headers
    for body in (b"", b"\xff\xfe", b"token", b"{}"):
        response = await client.post("/ops/login", content=body, headers=OWN)
        assert "set-cookie" not in response.headers, body
    assert "This is not the token" in (await client.get("/ops/login?came=wrong")).text


def forgeries() -> Iterator[str]:
    now = 10**9 * 2
    yield from ("", "1", f"{now}", f"{now}.", f"{now}." + "0" * 64, "." + "0" * 64)
    yield from (f"{now}.\u0661" + "0" * 63, f"{'9' * 5000}.{'0' * 64}", f"-{now}.{'0' * 64}")


async def test_a_forged_expired_or_foreign_session_opens_nothing(
    client: httpx.AsyncClient, locked: None, environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cookie in forgeries():
        headers = httpx.Headers({"Cookie": f"ops={cookie}"}, encoding="utf-8")
        assert leads_to_login(await client.get("/ops", headers=headers)), cookie
    await log_in(client)
    own = client.cookies["ops"]
    assert (await client.get("/ops")).status_code == 200
    until, mark = own.split(".")
    client.cookies.clear()
    for cookie in (f"{int(until) + 1}.{mark}", f"{until}.{mark[:-1]}", f"{until}.{mark}0"):
        assert leads_to_login(await client.get("/ops", headers={"Cookie": f"ops={cookie}"}))
    with monkeypatch.context() as later:
        later.setattr(guard, "time", lambda: int(until) + 1)
        assert leads_to_login(await client.get("/ops", headers={"Cookie": f"ops={own}"}))
    assert (await client.get("/ops", headers={"Cookie": f"ops={own}"})).status_code == 200
    environ(OPS_TOKEN="another")
    assert leads_to_login(await client.get("/ops", headers={"Cookie": f"ops={own}"}))


async def test_a_login_does_not_take_over_a_session_that_somebody_has_planted(
    client: httpx.AsyncClient, locked: None
) -> None:
    planted = f"{2 * 10**9}.{'0' * 64}"
    headers = {**OWN, "Cookie": f"ops={planted}"}
    response = await client.post("/ops/login", content=f"token={TOKEN}", headers=headers)
    assert client.cookies["ops"] != planted
    assert planted not in response.headers["set-cookie"]
    client.cookies.clear()
    assert leads_to_login(await client.get("/ops", headers={"Cookie": f"ops={planted}"}))


async def test_the_cookie_opens_only_the_page_and_the_bearer_token_only_the_api(
    client: httpx.AsyncClient, locked: None
) -> None:
    assert leads_to_login(await client.get("/ops", headers={"Authorization": f"Bearer {TOKEN}"}))
    await log_in(client)
    assert is_problem(await client.get("/jobs"), 401)
    assert is_problem(await client.get("/metrics"), 401)


async def test_the_cookie_of_production_is_bound_to_host_and_https(
    client: httpx.AsyncClient, in_production: None
) -> None:
    headers = {**OWN, "Host": "api.example.com"}
    body = f"token={TOKEN * 3}"
    response = await client.post("/ops/login", content=body, headers=headers)
    cookie = response.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "__Host-ops"
    assert {part.strip().lower() for part in rest.split(";")[1:]} == {
        *("httponly", "secure", "samesite=strict", "path=/", "max-age=43200")
    }


async def test_the_cookie_of_development_works_over_http(
    client: httpx.AsyncClient, locked: None
) -> None:
    response = await client.post("/ops/login", content=f"token={TOKEN}", headers=OWN)
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("ops=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        *("httponly", "samesite=strict", "path=/", "max-age=43200")
    }


async def test_a_browser_that_keeps_no_cookie_is_told_so(
    client: httpx.AsyncClient, locked: None
) -> None:
    leads = await log_in(client)
    client.cookies.clear()
    page = await client.get(leads)
    assert page.status_code == 200
    assert "did not keep the session" in page.text


async def test_logging_out_ends_the_session(client: httpx.AsyncClient, locked: None) -> None:
    await log_in(client)
    assert "Log out" in (await client.get("/ops")).text
    assert (await client.post("/ops/logout", headers=OWN)).headers["location"] == "/ops/login"
    assert leads_to_login(await client.get("/ops"))


async def test_a_link_from_another_site_comes_again_from_our_own_page(
    client: httpx.AsyncClient, locked: None
) -> None:
    page = await client.get("/ops/login?next=/ops/jobs", headers={"Sec-Fetch-Site": "cross-site"})
    [url] = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', page.text)
    assert url == "/ops/login?next=%2Fops%2Fjobs&amp;came=back"
    # It does so once, whatever the browser says.
    headers = {"Sec-Fetch-Site": "cross-site"}
    again = await client.get("/ops/login?next=/ops/jobs&came=back", headers=headers)
    assert "refresh" not in again.text
    assert "OPS_TOKEN" in again.text


ELSEWHERE = (
    *("//evil.example", "https://evil.example", "/\\evil.example", "/ops//evil.example"),
    *("/ops@evil.example", "/opsx", "/ops/../users", "javascript:alert(1)", "/ops\r\nX: 1"),
    *("/ops?a=\r\nSet-Cookie: a=b", "/ops\n", "/ops/jobs/%0d%0aX:1", "/ops?next=//evil", ""),
    *("/ops?a=<script>", "\u2028/ops", "/ops/login?next=/ops"),
)


async def test_a_login_leads_only_to_pages_of_ours(client: httpx.AsyncClient, locked: None) -> None:
    for wanted in ELSEWHERE:
        assert await log_in(client, wanted=wanted) == "/ops/login?next=%2Fops&came=in", wanted
        page = await client.get("/ops/login", params={"next": wanted})
        assert page.headers["location"] == "/ops"
        client.cookies.clear()
        form = await client.get("/ops/login", params={"next": wanted})
        assert 'name="next" value="/ops"' in form.text


OUR_OWN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://service"},
    {"Origin": "https://service"},
]
OF_OTHERS: list[dict[str, str]] = [
    {},
    {"Referer": "http://service/ops"},
    {"Sec-Fetch-Site": "same-site"},  # a sibling port or host
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://service"},
    {"Origin": "http://service:8001"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://service.evil.example"},
    {"Origin": "http://evil.example/service"},
    {"Origin": "http://service@evil.example"},
    {"Origin": "file://service"},
    {"Origin": "null"},
]


async def test_a_form_of_our_own_pages_may_change_something(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for headers in OUR_OWN:
        for path in [*paths(app, "POST"), "/ops/login", "/ops/logout"]:
            assert (await client.post(path, headers=headers)).status_code == 303, (path, headers)


async def test_a_form_of_any_other_page_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    for headers in OF_OTHERS:
        for path in [*paths(app, "POST"), "/ops/login", "/ops/logout"]:
            response = await client.post(path.replace(ANY, str(job.id)), headers=headers)
            assert is_problem(response, 403), (path, headers)
            assert "set-cookie" not in response.headers
    assert (await reread(database, job)).status is Status.FAILED


async def test_no_get_changes_anything(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    for path in [*paths(app, "POST"), "/ops/logout"]:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            response = await client.request(method, path.replace(ANY, str(job.id)))
            assert response.status_code == 405, path
    assert (await reread(database, job)).status is Status.FAILED


async def test_every_page_allows_no_foreign_content_and_no_frame(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for path in [*paths(app, "GET"), "/ops/login", f"/ops/jobs/{ANY}", f"/ops/jobs?before={ANY}"]:
        response = await client.get(path, follow_redirects=True)
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        # With no-referrer, a browser sends `Origin: null` with our own forms.
        assert response.headers["referrer-policy"] == "same-origin"
        assert response.headers["cache-control"] == "no-store"
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script>", response.text)


async def test_the_files_of_the_pages_are_public_and_there_are_no_others(
    client: httpx.AsyncClient, locked: None
) -> None:
    kinds = {"ops.css": "text/css", "ops.js": "text/javascript", "icon.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        response = await client.get(f"/ops/static/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
    for name in ("..%2fguard.py", "%2e%2e/guard.py", "ops.py", ""):
        assert (await client.get(f"/ops/static/{name}")).status_code in (404, 422)


async def test_in_development_without_a_token_the_page_is_open(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    page = await client.get("/ops")
    assert page.status_code == 200
    assert "Log out" not in page.text
    assert (await client.get("/ops/login")).headers["location"] == "/ops"
