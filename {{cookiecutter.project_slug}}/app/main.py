"""The web process: what it opens at the start, and what its application is made of."""

import logging
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.database import Database, check_database_url, open_database
from app.database.migrations import migrate
from app.engine import connect
from app.jobs.runtime import Engine, Relay
from app.settings import get_settings
from app.tasks import registry
from app.telemetry import configure_logging
from app.telemetry.tracing import is_routine
from app.users.routes import router as users
from app.web import health, jobs, metrics, ops
from app.web.draining import drain_on_sigterm
from app.web.metrics import Metrics
from app.web.middleware import add_middleware
from app.web.ops.board import Board
from app.web.problems import PROBLEMS, add_error_handlers

logger = logging.getLogger(__name__)

PROJECT = tomllib.loads(
    (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

# In the order of the documentation at /docs.
TAGS = {
    "users": "People with an account.",
    "jobs": "The background jobs of requests, and their outcome.",
    "metrics": "For Prometheus.",
    "health": "For load balancers and process managers.",
}


class State(TypedDict):
    database: Database
    engine: Engine
    relay: Relay


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    settings = get_settings()
    await check_database_url()
    if settings.environment == "development":
        await migrate()
        for name in sorted({"API_TOKEN", "OPS_TOKEN"} - settings.secrets.keys()):
            logger.warning("%s is not set: its endpoints are public", name)
    async with (
        open_database(settings.database_url) as database,
        connect(database) as engine,
        Relay(database, engine).running() as relay,
    ):
        drain_on_sigterm(app, settings.stop_delay_seconds)
        yield {"database": database, "engine": engine, "relay": relay}


def operation_id(route: APIRoute) -> str:
    return "-".join([*map(str, route.tags[:1]), route.name])


def create_app() -> FastAPI:
    settings = get_settings()
    configure_logging(settings)
    app = FastAPI(
        title="{{ cookiecutter.project_slug | replace('-', ' ') | title }}",
        description=PROJECT["description"],
        version=PROJECT["version"],
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        lifespan=lifespan,
        responses=PROBLEMS,
        generate_unique_id_function=operation_id,
        telemetry={"exclude": is_routine, "auto_configure": False},
    )
    app.state.metrics = Metrics(registry)
    app.state.board = Board()
    app.state.is_draining = False
    add_middleware(app, settings)
    add_error_handlers(app)
    app.include_router(users)
    app.include_router(jobs.router)
    app.include_router(ops.router)
    app.include_router(metrics.router)
    app.include_router(health.router)
    return app


app = create_app()
