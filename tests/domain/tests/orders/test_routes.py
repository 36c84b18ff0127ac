"""Routes: what a client gets."""

import uuid

import httpx
import pytest

from tests.support.fake_engine import FakeEngine
from tests.support.problems import is_problem

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


@pytest.fixture
async def order(client: httpx.AsyncClient) -> dict[str, str]:
    user = (await client.post("/users", json=ADA)).json()
    response = await client.post("/orders", json={"user_id": user["id"], "total": "19.90"})
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


async def test_orders_are_exported_as_csv(client: httpx.AsyncClient, order: dict[str, str]) -> None:
    response = await client.get("/orders/export")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.text.splitlines() == [
        "id,user_id,status,total",
        f"{order['id']},{order['user_id']},placed,19.90",
    ]


async def test_an_order_of_an_unknown_user_is_refused(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    order = {"user_id": str(uuid.uuid4()), "total": "19.90"}
    assert is_problem(await client.post("/orders", json=order), 404)
    assert engine.sent == []


async def test_an_unknown_order_is_not_found(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get(f"/orders/{uuid.uuid4()}"), 404)
