import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI

from app import health
from app.access import AccessLog
from app.db import Database, migrate, open_database
from app.errors import PROBLEMS, add_error_handlers
from app.jobs.engine import connect
from app.jobs.relay import Engine, Relay
from app.jobs.routes import router as jobs
from app.log import configure_logging
from app.settings import get_settings
from app.users.routes import router as users

logger = logging.getLogger(__name__)


class State(TypedDict):
    database: Database
    engine: Engine
    relay: Relay


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    settings = get_settings()
    if settings.environment == "development":
        await migrate()
        if settings.ops_token is None:
            logger.warning("OPS_TOKEN is not set: anybody may list and retry jobs")
    async with open_database(settings.database_url) as database, connect(database) as engine:
        relay = Relay(database, engine)
        async with relay.running():
            yield {"database": database, "engine": engine, "relay": relay}


def create_app() -> FastAPI:
    configure_logging(get_settings())
    app = FastAPI(
        title="{{ cookiecutter.project_slug }}",
        lifespan=lifespan,
        responses=PROBLEMS,
    )
    app.add_middleware(AccessLog)
    add_error_handlers(app)
    app.include_router(health.router)
    app.include_router(users)
    app.include_router(jobs)
    return app


app = create_app()
