"""Whether the process is alive, and whether it can serve requests."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.database.migrations import state_of
from app.jobs.task import DEFAULT_QUEUE

router = APIRouter(prefix="/health", tags=["health"])
logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 3


class Health(BaseModel):
    status: str = Field(examples=["ok"])


class Readiness(Health):
    database: str = Field(description="`ok`, or what is wrong with it", examples=["ok"])
    broker: str = Field(description="`ok`, or what is wrong with it", examples=["ok"])


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response) -> Readiness:
    """Whether the database is migrated, the broker answers, and the process does not stop."""
    state, waiting = await asyncio.gather(
        _answer(state_of(request.state.database)),
        _answer(request.state.engine.waiting(DEFAULT_QUEUE)),
    )
    database = state or "does not answer"
    broker = "does not answer" if waiting is None else "ok"
    status = "ok" if database == broker == "ok" else "not ready"
    if request.app.state.is_draining:
        status = "stopping"
    response.status_code = 200 if status == "ok" else 503
    return Readiness(status=status, database=database, broker=broker)


async def _answer(question: Awaitable[Answer]) -> Answer | None:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await question
    except Exception as error:
        logger.warning("not ready: %r", error)
        return None
