import csv
import io
import uuid

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Page, Paging, fetch_page
from app.errors import NotFound
from app.jobs import UnitOfWork
from app.orders.models import Order
from app.orders.schemas import OrderCreate, OrderRead
from app.orders.tasks import pack_order

COLUMNS = ("id", "user_id", "status", "total")


async def place(uow: UnitOfWork, data: OrderCreate) -> Order:
    """Store an order and enqueue its packing, or neither."""
    order = Order(id=uuid.uuid4(), user_id=data.user_id, total=data.total)
    uow.session.add(order)
    uow.enqueue(pack_order, order.id)
    try:
        await uow.session.flush()
    except IntegrityError:
        raise NotFound("There is no such user.") from None
    return order


async def list_orders(session: AsyncSession, paging: Paging) -> Page[OrderRead]:
    return await fetch_page(session, select(Order).order_by(Order.created_at, Order.id), paging)


async def export(session: AsyncSession) -> str:
    """All orders as CSV."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for order in await session.scalars(select(Order).order_by(Order.created_at, Order.id)):
        writer.writerow(getattr(order, column) for column in COLUMNS)
    return file.getvalue()


async def find_order(session: AsyncSession, order_id: uuid.UUID) -> Order:
    order = await session.get(Order, order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order
