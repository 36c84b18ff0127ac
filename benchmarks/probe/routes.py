"""Has jobs accepted, in one transaction, and sent at once or after the response."""

import time

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel
from sqlalchemy import func, select

from app.deps import Session
from app.jobs.models import OPEN
from app.settings import get_settings
from app.tasks import tasks
from app.uow import unit_of_work

router = APIRouter()


class Batch(BaseModel):
    task: str
    count: int
    seconds: float
    # Then the answer says that all have been sent.
    is_waited_for: bool


@router.post("/probes", status_code=202)
async def enqueue(batch: Batch, request: Request, background: BackgroundTasks) -> int:
    async with unit_of_work(request.state.database, get_settings().jobs_lease) as uow:
        for _ in range(batch.count):
            uow.enqueue(tasks[batch.task], time.time(), batch.seconds)
    if batch.is_waited_for:
        await request.state.relay.hand_over(uow.in_hand)
    else:
        background.add_task(request.state.relay.hand_over, uow.in_hand)
    return batch.count


@router.get("/open")
async def count_open(session: Session) -> int:
    """How many jobs have not ended."""
    return await session.scalar(select(func.count()).where(OPEN)) or 0
