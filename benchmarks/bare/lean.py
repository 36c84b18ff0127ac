"""The same two routes, as lean as they can be: one file, the same rows, driver, pool and pragmas.

It writes what the service writes when a user registers, in one transaction, and nobody runs
the jobs. With WITH_TASKS it writes the user alone, and does the work in bare BackgroundTasks.
"""

import logging
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException
from pydantic import BaseModel, EmailStr
from sqlalchemy import JSON, Column, DateTime, MetaData, Table, Text, Uuid, event, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
URL = make_url(os.environ["DATABASE_URL"])
WITH_TASKS = "WITH_TASKS" in os.environ

metadata = MetaData()
users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, unique=True),
    Column("full_name", Text),
    Column("created_at", DateTime(timezone=True)),
)
jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("task", Text),
    Column("arguments", JSON),
    Column("status", Text),
    Column("run_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
)
entries = Table(
    "audit_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("event", Text),
    Column("subject", Text),
    Column("created_at", DateTime(timezone=True)),
)


def open_engine(begin: str | None, pool_size: int) -> AsyncEngine:
    url = URL.set(drivername=DRIVERS[URL.get_backend_name()])
    engine = create_async_engine(
        url, pool_size=pool_size, max_overflow=0, skip_autocommit_rollback=begin is None
    )
    if URL.get_backend_name() == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def _(connection: Any, _: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")

        if begin:

            @event.listens_for(engine.sync_engine, "begin")
            def _(connection: Any) -> None:
                connection.exec_driver_sql(begin)

    return engine


# A statement that only reads is a transaction of its own.
if URL.get_backend_name() == "sqlite":
    writing, reading = open_engine("BEGIN IMMEDIATE", 1), open_engine(None, 15)
else:
    writing = open_engine(None, 15)
    reading = writing.execution_options(isolation_level="AUTOCOMMIT")

INSERT_USER, INSERT_JOBS, INSERT_ENTRY = users.insert(), jobs.insert(), entries.insert()


class UserCreate(BaseModel):
    email: EmailStr
    full_name: str


class UserRead(BaseModel):
    id: uuid.UUID
    email: str
    full_name: str
    created_at: datetime


class Work:
    open = 0


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with writing.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)


async def write_audit_log(email: str) -> None:
    row = {"id": uuid.uuid4(), "event": "user_registered", "subject": email}
    async with writing.begin() as connection:
        await connection.execute(INSERT_ENTRY, row | {"created_at": datetime.now(UTC)})
    Work.open -= 1


def send_welcome_email(email: str, full_name: str) -> None:
    logging.getLogger(__name__).info("Welcome, %s <%s>", full_name, email)
    Work.open -= 1


def job(task: str, arguments: dict[str, str], now: datetime) -> dict[str, Any]:
    identity = {"id": uuid.uuid4(), "task": task, "arguments": arguments, "status": "queued"}
    return identity | {"run_at": now, "created_at": now}


@app.post("/users", status_code=201)
async def register(data: UserCreate, background: BackgroundTasks) -> UserRead:
    now = datetime.now(UTC)
    user = {"id": uuid.uuid4(), "email": data.email, "full_name": data.full_name, "created_at": now}
    async with writing.begin() as connection:
        await connection.execute(INSERT_USER, user)
        if not WITH_TASKS:
            audit = job("write_audit_log", {"event": "user_registered", "subject": data.email}, now)
            mail = {"email": data.email, "full_name": data.full_name}
            await connection.execute(INSERT_JOBS, [audit, job("send_welcome_email", mail, now)])
    if WITH_TASKS:
        Work.open += 2
        background.add_task(write_audit_log, data.email)
        background.add_task(send_welcome_email, data.email, data.full_name)
    return UserRead(**user)


@app.get("/users/{user_id}")
async def read(user_id: uuid.UUID) -> UserRead:
    async with reading.connect() as connection:
        found = (await connection.execute(select(users).where(users.c.id == user_id))).first()
    if found is None:
        raise HTTPException(404)
    return UserRead(**found._mapping)


@app.get("/open")
async def count_open() -> int:
    """How many background tasks have not ended."""
    return Work.open
