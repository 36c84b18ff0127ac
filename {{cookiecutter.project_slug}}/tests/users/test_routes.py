"""Routes: what a client gets."""

import uuid

import httpx
import pytest

from app.database import Database
from app.users.models import User
from tests.support.environment import Environ
from tests.support.fake_engine import FakeEngine
from tests.support.problems import is_problem
from tests.support.rows import rows

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


async def test_a_registration_returns_the_user_and_its_jobs(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    response = await client.post("/users", json=ADA)
    assert response.status_code == 201
    user = response.json()
    assert set(user) == {"id", "email", "full_name", "created_at", "jobs"}
    assert (user["email"], user["full_name"]) == ("ada@example.com", "Ada Lovelace")
    assert [(job["task"], job["status"]) for job in user["jobs"]] == [
        ("write_audit_log", "queued"),
        ("send_welcome_email", "queued"),
    ]
    assert [job["id"] for job in user["jobs"]] == [str(job_id) for job_id in engine.sent]


async def test_a_second_user_with_the_same_address_is_a_conflict(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    await client.post("/users", json=ADA)
    response = await client.post("/users", json={**ADA, "email": "Ada@Example.COM"})
    assert is_problem(response, 409)
    assert len(engine.sent) == 2


@pytest.mark.parametrize("field", ["email", "full_name"])
async def test_a_wrong_field_is_named(
    client: httpx.AsyncClient, database: Database, field: str
) -> None:
    response = await client.post("/users", json={**ADA, field: ""})
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


async def test_users_are_listed_in_pages_the_oldest_first(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post("/users", json={**ADA, "email": f"user{number}@example.com"})
    page = (await client.get("/users", params={"limit": 2, "offset": 1})).json()
    assert [user["email"] for user in page["items"]] == ["user1@example.com", "user2@example.com"]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)


async def test_only_the_token_of_the_api_gives_access_to_users(
    client: httpx.AsyncClient, environ: Environ
) -> None:
    user = (await client.post("/users", json=ADA)).json()
    environ(API_TOKEN="of-the-api", OPS_TOKEN="of-operators")
    for path in ("/users", f"/users/{user['id']}"):
        for token, status in {"of-operators": 401, "of-the-api": 200}.items():
            response = await client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert response.status_code == status
