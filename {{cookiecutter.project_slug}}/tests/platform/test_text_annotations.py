"""Tasks in a module whose annotations are not evaluated."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from app.jobs import UnitOfWork, task

if TYPE_CHECKING:
    from decimal import Decimal

pytestmark = pytest.mark.usefixtures("own_tasks")


class Order(BaseModel):
    id: uuid.UUID
    parts: list[Order] = []


def test_arguments_arrive_as_they_were_given() -> None:
    @task()
    async def ship(uow: UnitOfWork, order: Order, *, others: list[Order]) -> None: ...

    order = Order(id=uuid.uuid4(), parts=[Order(id=uuid.uuid4())])
    job = ship.job(order, others=[order])
    assert ship.unpack(job) == {"order": order, "others": [order]}


def test_a_task_with_a_schedule_can_have_a_unit_of_work() -> None:
    @task(cron="30 3 * * *")
    async def sweep(uow: UnitOfWork) -> None: ...

    assert (sweep.takes, sweep.job().arguments) == ([UnitOfWork], {})


def test_a_type_that_is_not_imported_at_run_time_is_refused() -> None:
    def pay(amount: Decimal) -> None: ...

    with pytest.raises(TypeError, match=r"^pay: name 'Decimal' is not defined at run time.*$"):
        task()(pay)
