"""Tasks of a shop. Nothing is charged or sent."""

import asyncio
from datetime import timedelta
from uuid import UUID

from app.jobs import GiveUp, report_progress, task


@task(max_tries=1)
async def charge_card(order_id: UUID, card: str) -> None:
    raise GiveUp(f"402 Payment Required: the bank declined order {order_id}")


@task(queue="reports", timeout=timedelta(minutes=10))
async def render_report(year: int) -> None:
    for percent in range(20, 70):
        report_progress(percent, f"page {percent} of 100")
        await asyncio.sleep(5)


@task()
async def send_invoice(order_id: UUID, email: str) -> None:
    await asyncio.sleep(0.05)


@task(queue="imports")
async def import_orders(file: str) -> None: ...


@task(cron="0 6 * * *")
async def send_digest() -> None: ...
