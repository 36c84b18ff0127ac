"""Accepts any task of the service, any number of times."""

import uuid
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel

from app.settings import get_settings
from app.tasks import tasks
from app.uow import unit_of_work

router = APIRouter()


class Batch(BaseModel):
    task: str
    numbers: list[int]
    arguments: list[Any]
    # Handed over by the request, or left to the relay.
    in_hand: bool


@router.post("/probes", status_code=202)
async def enqueue(batch: Batch, request: Request, background: BackgroundTasks) -> list[uuid.UUID]:
    lease = get_settings().jobs_lease if batch.in_hand else None
    async with unit_of_work(request.state.database, lease) as uow:
        for number in batch.numbers:
            uow.enqueue(tasks[batch.task], number, *batch.arguments)
    background.add_task(request.state.relay.hand_over, uow.in_hand)
    return [job.id for job in uow.jobs]
