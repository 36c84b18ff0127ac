"""Whether the process is alive, and whether it can serve requests."""

import asyncio
import logging
from collections.abc import Awaitable

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.database import Database
from app.database.migrations import is_migrated
from app.jobs.runtime import Engine

router = APIRouter(prefix="/health", tags=["health"])
logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3


class Health(BaseModel):
    status: str


class Readiness(Health):
    database: str
    broker: str


@router.get("/live")
async def live() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response) -> Readiness:
    """Whether the database is migrated and the broker answers."""
    database, broker = await asyncio.gather(
        _state_of(_check_database(request.state.database)),
        _state_of(_check_broker(request.state.engine)),
    )
    is_ready = database == broker == "ok"
    response.status_code = 200 if is_ready else 503
    return Readiness(status="ok" if is_ready else "not ready", database=database, broker=broker)


async def _check_database(database: Database) -> str:
    return "ok" if await is_migrated(database) else "not migrated: run alembic upgrade head"


async def _check_broker(engine: Engine) -> str:
    await engine.waiting()
    return "ok"


async def _state_of(check: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await check
    except Exception as error:
        logger.warning("not ready: %r", error)
        return "does not answer"
