import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from app import health
from app.access import AccessLog
from app.db import Database, open_database
from app.errors import PROBLEMS, add_error_handlers
from app.guards import BodyLimit, SafeHeaders, TrustedHosts
from app.jobs.engine import connect
from app.jobs.relay import Engine, Relay
from app.jobs.routes import router as jobs
from app.jobs.timetable import Timetable
from app.log import configure_logging
from app.metrics import Metrics
from app.metrics import router as metrics
from app.schema import migrate
from app.settings import get_settings
from app.tracing import is_routine
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
        if unset := {"OPS_TOKEN", "API_TOKEN"} - settings.secrets.keys():
            logger.warning("not set, so what it guards is open: %s", ", ".join(sorted(unset)))
    async with open_database(settings.database_url) as database, connect(database) as engine:
        relay = Relay(database, engine)
        async with relay.running(), Timetable(database).kept():
            yield {"database": database, "engine": engine, "relay": relay}


def create_app() -> FastAPI:
    settings = get_settings()
    configure_logging(settings)
    app = FastAPI(
        title="{{ cookiecutter.project_slug }}",
        lifespan=lifespan,
        responses=PROBLEMS,
        telemetry={"exclude": is_routine, "auto_configure": False},
    )
    app.state.metrics = Metrics()
    # What is added later comes first: it sees the request before, and the answer after.
    app.add_middleware(BodyLimit, most_bytes=settings.max_body_bytes)
    if settings.trusted_hosts:
        app.add_middleware(TrustedHosts, hosts=settings.trusted_hosts)
    app.add_middleware(AccessLog, metrics=app.state.metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["Authorization", "X-Request-ID"],
            expose_headers=["X-Request-ID"],
        )
    app.add_middleware(SafeHeaders, is_public=settings.environment != "development")
    add_error_handlers(app)
    app.include_router(health.router)
    app.include_router(users)
    app.include_router(jobs)
    app.include_router(metrics)
    return app


app = create_app()
