"""Services: what they store, and what their jobs do."""

from decimal import Decimal

from app.database import Database
from app.jobs import unit_of_work
from app.orders import services
from app.orders.models import Order, OrderStatus
from app.orders.schemas import OrderCreate
from app.users.models import User
from tests.support.jobs import run_jobs
from tests.support.rows import rows


async def test_a_placed_order_is_packed_by_a_job(database: Database) -> None:
    async with unit_of_work(database) as uow:
        user = User(email="ada@example.com", full_name="Ada Lovelace")
        uow.session.add(user)
        await uow.session.flush()
        await services.place(uow, OrderCreate(user_id=user.id, total=Decimal("19.90")))
    [job] = await run_jobs(database)
    assert (job.task, job.status) == ("pack_order", "succeeded")
    [order] = await rows(database, Order)
    assert (order.status, order.total) == (OrderStatus.PACKED, Decimal("19.90"))
