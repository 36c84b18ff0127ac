import uuid

from app.jobs import UnitOfWork, task
from app.orders.models import Order, OrderStatus


@task()
async def pack_order(uow: UnitOfWork, order_id: uuid.UUID) -> None:
    order = await uow.session.get_one(Order, order_id)
    order.status = OrderStatus.PACKED
