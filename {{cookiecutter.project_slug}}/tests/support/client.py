"""A client of the application, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.database import Database
from app.jobs.runtime import Engine, Relay
from app.main import State


@asynccontextmanager
async def client_of(
    app: FastAPI, database: Database, engine: Engine, root_path: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    state = State(database=database, engine=engine, relay=Relay(database, engine))

    async def app_with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    transport = httpx.ASGITransport(app_with_state, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
