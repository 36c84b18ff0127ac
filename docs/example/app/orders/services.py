import uuid

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Page, Paging, fetch_page
from app.errors import Conflict, NotFound
from app.jobs import Job, Status, UnitOfWork
from app.orders.models import Order, OrderStatus
from app.orders.schemas import OrderCreate, OrderRead
from app.orders.tasks import charge_card, draw_report, mark_unpaid, pack_order


async def place(uow: UnitOfWork, data: OrderCreate) -> Order:
    """Store an order. It is packed when it is paid, and marked when it cannot be paid."""
    order_id = uuid.uuid4()
    payment = uow.enqueue(charge_card, order_id, data.card, data.total)
    uow.enqueue(pack_order.options(after=payment), order_id)
    uow.enqueue(mark_unpaid.options(after_failure=payment), order_id)
    order = Order(id=order_id, user_id=data.user_id, total=data.total, payment_id=payment.id)
    uow.session.add(order)
    try:
        await uow.session.flush()
    except IntegrityError:
        raise NotFound("There is no such user.") from None
    return order


async def cancel(uow: UnitOfWork, order_id: uuid.UUID) -> Order:
    """Stop the payment of an order, unless it is paid."""
    order = await uow.session.get(Order, order_id, with_for_update=True)
    if order is None:
        raise NotFound("There is no such order.")
    if order.status is not OrderStatus.PLACED or not await uow.cancel(order.payment_id):
        raise Conflict(f"The order cannot be cancelled, because it is {order.status}.")
    order.status = OrderStatus.CANCELLED
    return order


async def list_orders(session: AsyncSession, paging: Paging) -> Page[OrderRead]:
    return await fetch_page(session, select(Order).order_by(Order.created_at, Order.id), paging)


async def find_order(session: AsyncSession, order_id: uuid.UUID) -> Order:
    order = await session.get(Order, order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order


async def request_report(uow: UnitOfWork, email: str) -> Job:
    """While the report for somebody is being drawn, asking again returns the same job."""
    return await uow.enqueue_once(email, draw_report, email)


async def read_report(session: AsyncSession, job_id: uuid.UUID) -> str:
    job = await session.get(Job, job_id)
    if job is None or job.task != draw_report.name:
        raise NotFound("There is no such report.")
    if job.status is not Status.SUCCEEDED:
        raise Conflict(f"The report is not ready, because its job is {job.status}.")
    return str(job.result)
