"""Routes: what a client gets."""

import uuid

import httpx
import pytest

from app.database import Database
from tests.support.fake_engine import FakeEngine
from tests.support.jobs import run_jobs
from tests.support.problems import is_problem

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


@pytest.fixture
async def order(client: httpx.AsyncClient) -> dict[str, str]:
    user = (await client.post("/users", json=ADA)).json()
    data = {"user_id": user["id"], "total": "19.90", "card": "good"}
    response = await client.post("/orders", json=data)
    assert response.status_code == 201
    found: dict[str, str] = response.json()
    return found


async def test_a_placed_order_is_read_by_id(
    client: httpx.AsyncClient, order: dict[str, str]
) -> None:
    found = (await client.get(f"/orders/{order['id']}")).json()
    assert (found["status"], found["total"]) == ("placed", "19.90")


async def test_orders_are_listed(client: httpx.AsyncClient, order: dict[str, str]) -> None:
    page = (await client.get("/orders")).json()
    assert [found["id"] for found in page["items"]] == [order["id"]]


async def test_an_order_of_an_unknown_user_is_refused(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    order = {"user_id": str(uuid.uuid4()), "total": "19.90", "card": "good"}
    assert is_problem(await client.post("/orders", json=order), 404)
    assert engine.sent == []


async def test_an_unknown_order_is_not_found(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get(f"/orders/{uuid.uuid4()}"), 404)
    assert is_problem(await client.post(f"/orders/{uuid.uuid4()}/cancel"), 404)


async def test_an_order_is_cancelled_once(client: httpx.AsyncClient, order: dict[str, str]) -> None:
    response = await client.post(f"/orders/{order['id']}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert is_problem(await client.post(f"/orders/{order['id']}/cancel"), 409)


async def test_a_report_is_requested_and_downloaded(
    client: httpx.AsyncClient, order: dict[str, str], database: Database
) -> None:
    asked = await client.post("/orders/reports", json={"email": "ada@example.com"})
    again = await client.post("/orders/reports", json={"email": "ada@example.com"})
    assert asked.status_code == again.status_code == 202
    assert asked.json()["id"] == again.json()["id"]
    path = f"/orders/reports/{asked.json()['id']}"
    assert is_problem(await client.get(path), 409)
    await run_jobs(database)
    response = await client.get(path)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    header, line = response.text.splitlines()
    assert header == "id,user_id,status,total"
    assert line.startswith(f"{order['id']},{order['user_id']},")


async def test_only_a_report_can_be_downloaded(
    client: httpx.AsyncClient, order: dict[str, list[dict[str, str]]]
) -> None:
    assert is_problem(await client.get(f"/orders/reports/{order['jobs'][0]['id']}"), 404)
