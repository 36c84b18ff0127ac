"""Routes that enqueue any task any number of times, and deliver jobs repeatedly."""

import asyncio
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel
from sqlalchemy import select

from app.jobs import Job, unit_of_work
from app.jobs.runtime import Engine, QueueFull
from app.settings import get_settings
from app.tasks import registry

router = APIRouter()


class Batch(BaseModel):
    task: str
    numbers: list[int]
    arguments: list[Any]
    delay: timedelta
    # While a request has leased a job, the relay does not send it.
    sender: Literal["request", "relay", "nobody"]


@router.post("/probes", status_code=202)
async def enqueue(batch: Batch, request: Request, background: BackgroundTasks) -> list[uuid.UUID]:
    lease = None if batch.sender == "relay" else get_settings().jobs_lease
    task = registry[batch.task].options(delay=batch.delay)
    async with unit_of_work(request.state.database, lease) as uow:
        for number in batch.numbers:
            uow.enqueue(task, number, *batch.arguments)
    if batch.sender == "request":
        background.add_task(request.state.relay.dispatch, uow.leased)
    return [job.id for job in uow.jobs]


class Delivery(BaseModel):
    ids: list[uuid.UUID]
    times: int


@router.post("/deliveries")
async def deliver(delivery: Delivery, request: Request) -> None:
    async with request.state.database.read() as session:
        jobs = [*await session.scalars(select(Job).where(Job.id.in_(delivery.ids)))]
    for job in jobs:
        await asyncio.gather(*[send(request.state.engine, job) for _ in range(delivery.times)])


async def send(engine: Engine, job: Job) -> None:
    """As soon as the engine has room."""
    while True:
        with suppress(QueueFull):
            return await engine.send([job])
        await asyncio.sleep(0.01)


@router.post("/locks")
async def lock(ids: list[uuid.UUID], request: Request) -> None:
    """Fails while another process holds one of the rows, or the whole database."""
    async with request.state.database.begin_write() as session:
        await session.scalars(select(Job).where(Job.id.in_(ids)).with_for_update(nowait=True))
