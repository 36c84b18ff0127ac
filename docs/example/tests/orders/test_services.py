"""Services: what they store, and what their jobs do."""

from decimal import Decimal

import pytest

from app.database import Database
from app.jobs import unit_of_work
from app.orders import services
from app.orders.models import Order, OrderStatus
from app.orders.schemas import OrderCreate
from app.users.models import User
from tests.support.jobs import run_jobs
from tests.support.rows import rows


async def place(database: Database, card: str) -> Order:
    async with unit_of_work(database) as uow:
        user = User(email="ada@example.com", full_name="Ada Lovelace")
        uow.session.add(user)
        await uow.session.flush()
        data = OrderCreate(user_id=user.id, total=Decimal("19.90"), card=card)
        return await services.place(uow, data)


@pytest.mark.parametrize(
    ("card", "status"),
    [("good", OrderStatus.PACKED), ("busy", OrderStatus.PACKED), ("declined", OrderStatus.UNPAID)],
)
async def test_an_order_is_packed_if_it_is_paid(
    database: Database, card: str, status: OrderStatus
) -> None:
    await place(database, card)
    await run_jobs(database)
    [order] = await rows(database, Order)
    assert (order.status, order.total) == (status, Decimal("19.90"))


async def test_a_cancelled_order_is_neither_paid_nor_packed(database: Database) -> None:
    order = await place(database, "good")
    async with unit_of_work(database) as uow:
        await services.cancel(uow, order.id)
    jobs = await run_jobs(database)
    assert {job.attempts for job in jobs} == {0}
    [found] = await rows(database, Order)
    assert found.status is OrderStatus.CANCELLED
