"""The same two routes, as lean as possible: one file, with the same rows, driver and pool.

POST writes the rows that the service writes, in one transaction. Nobody runs the jobs, except with
`/background` and `/recorded`: these run the tasks of the service as BackgroundTasks.
"""

import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from anyio import to_thread
from bare import work as bare
from bare.profiling import router
from fastapi import BackgroundTasks, FastAPI, HTTPException
from pydantic import BaseModel, EmailStr
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    event,
    make_url,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
URL = make_url(os.environ["DATABASE_URL"])
IS_SQLITE = URL.get_backend_name() == "sqlite"

metadata = MetaData()


def table(name: str, *columns: Column[Any]) -> Table:
    created_at = Column("created_at", DateTime(timezone=True))
    return Table(name, metadata, Column("id", Uuid, primary_key=True), *columns, created_at)


users = table("users", Column("email", Text, unique=True), Column("full_name", Text))
jobs = table(
    "jobs",
    Column("task", Text),
    Column("arguments", JSON),
    Column("status", Text),
    Column("run_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)
audit = table("audit_entries", Column("event", Text), Column("subject", Text))


def open_engine(begin: str | None, pool_size: int) -> AsyncEngine:
    url = URL.set(drivername=DRIVERS[URL.get_backend_name()])
    engine = create_async_engine(
        url, pool_size=pool_size, max_overflow=0, skip_autocommit_rollback=begin is None
    )
    if IS_SQLITE:

        @event.listens_for(engine.sync_engine, "connect")
        def _(connection: Any, _: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")

        @event.listens_for(engine.sync_engine, "begin")
        def _(connection: Any) -> None:
            if begin:
                connection.exec_driver_sql(begin)

    return engine


# Reads need no transaction.
if IS_SQLITE:
    writing, reading = open_engine("BEGIN IMMEDIATE", 1), open_engine(None, 15)
else:
    writing = open_engine(None, 15)
    reading = writing.execution_options(isolation_level="AUTOCOMMIT")

INSERT_USER, INSERT_JOBS, INSERT_ENTRY = users.insert(), jobs.insert(), audit.insert()
CHANGE_JOB = jobs.update().where(jobs.c.id == bindparam("id_"))
working: set[uuid.UUID] = set()


class UserCreate(BaseModel):
    email: EmailStr
    full_name: str


class UserRead(BaseModel):
    id: uuid.UUID
    email: str
    full_name: str
    created_at: datetime


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with writing.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)


def new_row(**values: Any) -> dict[str, Any]:
    return {"id": uuid.uuid4(), "created_at": datetime.now(UTC)} | values


def new_job(task: str, **arguments: str) -> dict[str, Any]:
    return new_row(task=task, arguments=arguments, status="queued", run_at=datetime.now(UTC))


@app.post("/users", status_code=201)
async def register(data: UserCreate) -> UserRead:
    user = new_row(**data.model_dump())
    async with writing.begin() as connection:
        await connection.execute(INSERT_USER, user)
        await connection.execute(INSERT_JOBS, jobs_of(data))
    return UserRead(**user)


def jobs_of(data: UserCreate) -> list[dict[str, Any]]:
    entry = new_job("write_audit_log", event="user_registered", subject=data.email)
    return [entry, new_job("send_welcome_email", email=data.email, full_name=data.full_name)]


@app.post("/users/background", status_code=201)
async def register_and_work(data: UserCreate, background: BackgroundTasks) -> UserRead:
    user = new_row(**data.model_dump())
    async with writing.begin() as connection:
        await connection.execute(INSERT_USER, user)
    working.add(user["id"])
    background.add_task(work, data)
    background.add_task(ended, user["id"])
    return UserRead(**user)


@app.post("/users/recorded", status_code=201)
async def register_and_record(data: UserCreate, background: BackgroundTasks) -> UserRead:
    user, rows = new_row(**data.model_dump()), jobs_of(data)
    async with writing.begin() as connection:
        await connection.execute(INSERT_USER, user)
        await connection.execute(INSERT_JOBS, rows)
    working.add(user["id"])
    background.add_task(work_and_record, data, *(row["id"] for row in rows))
    background.add_task(ended, user["id"])
    return UserRead(**user)


async def work(data: UserCreate) -> None:
    async with writing.begin() as connection:
        await connection.execute(INSERT_ENTRY, entry_for(data))
    await to_thread.run_sync(write_mail, data)


async def work_and_record(data: UserCreate, entry: uuid.UUID, mail: uuid.UUID) -> None:
    await record(entry, "running", "started_at")
    await record(entry, "succeeded", "finished_at", entry_for(data))
    await record(mail, "running", "started_at")
    await to_thread.run_sync(write_mail, data)
    await record(mail, "succeeded", "finished_at")


async def record(
    job: uuid.UUID, status: str, moment: str, entry: dict[str, Any] | None = None
) -> None:
    values = {"id_": job, "status": status, moment: datetime.now(UTC)}
    async with writing.begin() as connection:
        if entry:
            await connection.execute(INSERT_ENTRY, entry)
        await connection.execute(CHANGE_JOB, values)


async def ended(user: uuid.UUID) -> None:
    working.remove(user)


def entry_for(data: UserCreate) -> dict[str, Any]:
    return new_row(event="user_registered", subject=data.email)


def write_mail(data: UserCreate) -> None:
    """Nobody sends it, as in the service."""
    message = EmailMessage()
    message["To"] = data.email
    message["Subject"] = f"Welcome, {data.full_name}"
    message.set_content(f"Hello {data.full_name},\n\nyour account is ready.\n")


class Batch(BaseModel):
    count: int
    seconds: float


@app.post("/probes", status_code=202)
async def wait(batch: Batch, background: BackgroundTasks) -> None:
    for _ in range(batch.count):
        background.add_task(bare.wait, time.time(), batch.seconds)


@app.get("/sending")
async def count_sending() -> int:
    """Nothing is sent."""
    return 0


@app.get("/open")
async def count_open() -> int:
    """Users whose tasks have not ended."""
    return len(working)


@app.get("/users/{user_id}")
async def read(user_id: uuid.UUID) -> UserRead:
    async with reading.connect() as connection:
        found = (await connection.execute(select(users).where(users.c.id == user_id))).first()
    if found is None:
        raise HTTPException(404)
    return UserRead(**found._mapping)


app.include_router(router)
