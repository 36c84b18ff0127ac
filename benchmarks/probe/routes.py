"""Enqueues jobs, tells how many are not yet sent or have not ended, and registers without jobs."""

import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends
from pydantic import BaseModel
from sqlalchemy import func, select

from app.jobs import Job, Status
from app.probe import profiling, tasks
from app.users.models import User
from app.users.schemas import UserCreate, UserRead, UserRegistered
from app.web import Session, Uow

router = APIRouter()
router.include_router(profiling.router)


class Batch(BaseModel):
    count: int
    seconds: float


class Sending:
    requests = 0


async def count_sending(background: BackgroundTasks) -> AsyncIterator[None]:
    """Background tasks run in order, and the unit of work has added its own by then."""
    Sending.requests += 1
    yield
    background.add_task(sent)


async def sent() -> None:
    Sending.requests -= 1


# It comes before Uow, so it ends after it.
CountSending = Annotated[None, Depends(count_sending, scope="function")]


@router.post("/probes", status_code=202)
async def enqueue(_: CountSending, uow: Uow, batch: Batch) -> int:
    for _ in range(batch.count):
        uow.enqueue(tasks.wait, time.time(), batch.seconds)
    return batch.count


@router.post("/probes/users", status_code=201)
async def register(uow: Uow, data: UserCreate) -> UserRegistered:
    """What `POST /users` does, without its jobs."""
    user = User(id=uuid.uuid4(), email=data.email, full_name=data.full_name)
    uow.session.add(user)
    await uow.session.flush()
    return UserRegistered(**UserRead.model_validate(user).model_dump(), jobs=[])


@router.get("/sending")
async def count_requests_that_send() -> int:
    return Sending.requests


@router.get("/unsent")
async def count_unsent(session: Session) -> int:
    """How many jobs could not be sent at once."""
    unsent = (Job.finished_at.is_(None), Job.status == Status.QUEUED, Job.lease_until.is_(None))
    return await session.scalar(select(func.count()).where(*unsent)) or 0


@router.get("/open")
async def count_open(session: Session) -> int:
    """How many jobs have not ended."""
    return await session.scalar(select(func.count()).where(Job.finished_at.is_(None))) or 0
