import asyncio
import csv
import io
import uuid
from datetime import timedelta
from decimal import Decimal
from email.message import EmailMessage

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import mail
from app.jobs import GiveUp, TryAgain, UnitOfWork, report_progress, task
from app.orders import payments
from app.orders.models import Order, OrderStatus
from app.settings import get_settings

COLUMNS = ("id", "user_id", "status", "total")


@task(max_tries=10, backoff=lambda attempts: timedelta(minutes=attempts))
async def charge_card(uow: UnitOfWork, order_id: uuid.UUID, card: str, amount: Decimal) -> None:
    order = await uow.session.get_one(Order, order_id)
    try:
        payments.charge(card, amount)
    except payments.Declined as error:
        raise GiveUp(str(error)) from None
    except payments.Busy as error:
        raise TryAgain(str(error), delay=timedelta(seconds=1)) from None
    order.status = OrderStatus.PAID


@task()
async def pack_order(uow: UnitOfWork, order_id: uuid.UUID) -> None:
    order = await uow.session.get_one(Order, order_id)
    order.status = OrderStatus.PACKED


@task()
async def mark_unpaid(uow: UnitOfWork, order_id: uuid.UUID) -> None:
    order = await uow.session.get_one(Order, order_id)
    order.status = OrderStatus.UNPAID


@task(queue="slow", timeout=timedelta(minutes=10))
async def draw_report(session: AsyncSession, email: str) -> str:
    """All orders as CSV. Whoever has asked for it is told by mail."""
    total = await session.scalar(select(func.count()).select_from(Order)) or 0
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    orders = await session.scalars(select(Order).order_by(Order.created_at, Order.id))
    for number, order in enumerate(orders, start=1):
        writer.writerow(getattr(order, column) for column in COLUMNS)
        report_progress(90 * number // total, f"order {number} of {total}")
    # Others may use its connection while the mail server is slow.
    await session.close()
    report_progress(90, "sending a mail")
    await asyncio.to_thread(mail.send, _ready(email))
    return file.getvalue()


def _ready(email: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = get_settings().smtp_from
    message["To"] = email
    message["Subject"] = "Your report is ready"
    message.set_content("You can download it now.\n")
    return message
