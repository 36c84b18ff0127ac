"""The users' routes."""

import uuid

import httpx
import pytest

from app.database import Database, paging
from app.jobs import Job
from app.users.models import User
from tests.engine import FakeEngine
from tests.problems import is_problem
from tests.rows import rows

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


async def test_registering_answers_with_the_user_and_the_jobs(client: httpx.AsyncClient) -> None:
    response = await client.post("/users", json=ADA)
    assert response.status_code == 201
    user = response.json()
    assert set(user) == {"id", "email", "full_name", "created_at", "jobs"}
    assert (user["email"], user["full_name"]) == ("ada@example.com", "Ada Lovelace")
    assert [(job["task"], job["status"], job["attempts"]) for job in user["jobs"]] == [
        ("write_audit_log", "queued", 0),
        ("send_welcome_email", "queued", 0),
    ]
    assert [job["url"] for job in user["jobs"]] == [f"/jobs/{job['id']}" for job in user["jobs"]]


async def test_the_jobs_of_a_request_are_sent_in_their_order(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    response = await client.post("/users", json=ADA)
    assert [str(job_id) for job_id in engine.sent] == [job["id"] for job in response.json()["jobs"]]


async def test_a_request_is_answered_although_the_broker_is_down(
    client: httpx.AsyncClient, engine: FakeEngine, database: Database
) -> None:
    engine.is_down = True
    response = await client.post("/users", json=ADA)
    assert response.status_code == 201
    assert len(await rows(database, Job)) == 2


async def test_a_second_user_of_one_address_is_a_conflict(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    await client.post("/users", json=ADA)
    response = await client.post("/users", json={**ADA, "email": "Ada@Example.COM"})
    assert is_problem(response, 409)
    assert len(engine.sent) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada"),
        ("email", None),
        ("full_name", ""),
        ("full_name", "  "),
        ("full_name", "A" * 201),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    client: httpx.AsyncClient, database: Database, field: str, value: str | None
) -> None:
    response = await client.post("/users", json={**ADA, field: value})
    assert is_problem(response, 422)
    assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]
    assert await rows(database, User) == []


async def test_a_user_is_read_by_id(client: httpx.AsyncClient) -> None:
    registered = (await client.post("/users", json=ADA)).json()
    response = await client.get(f"/users/{registered['id']}")
    assert response.status_code == 200
    assert response.json() == {name: registered[name] for name in registered if name != "jobs"}


async def test_an_unknown_user_is_not_found(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get(f"/users/{uuid.uuid4()}"), 404)


async def test_users_are_listed_in_pages_in_the_order_of_registration(
    client: httpx.AsyncClient,
) -> None:
    for number in range(5):
        await client.post("/users", json={**ADA, "email": f"user{number}@example.com"})
    page = (await client.get("/users", params={"limit": 2, "offset": 1})).json()
    assert [user["email"] for user in page["items"]] == ["user1@example.com", "user2@example.com"]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)


async def test_a_long_list_is_not_counted_to_its_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_COUNT", 2)
    for number in range(3):
        await client.post("/users", json={**ADA, "email": f"user{number}@example.com"})
    page = (await client.get("/users")).json()
    assert (len(page["items"]), page["total"]) == (3, 2)


@pytest.mark.parametrize(
    "wanted", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"offset": 2**63}]
)
async def test_a_page_that_cannot_be_is_refused(
    client: httpx.AsyncClient, wanted: dict[str, int]
) -> None:
    assert is_problem(await client.get("/users", params=wanted), 422)
