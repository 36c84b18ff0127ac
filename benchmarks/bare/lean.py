"""The same two routes, as lean as possible: one file, with the same rows, driver and pool.

POST writes the rows that the service writes, in one transaction. Nobody runs the jobs.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bare.profiling import router
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, EmailStr
from sqlalchemy import JSON, Column, DateTime, MetaData, Table, Text, Uuid, event, make_url, select
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
)


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

INSERT_USER, INSERT_JOBS = users.insert(), jobs.insert()


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
    audit = new_job("write_audit_log", event="user_registered", subject=data.email)
    mail = new_job("send_welcome_email", email=data.email, full_name=data.full_name)
    async with writing.begin() as connection:
        await connection.execute(INSERT_USER, user)
        await connection.execute(INSERT_JOBS, [audit, mail])
    return UserRead(**user)


@app.get("/users/{user_id}")
async def read(user_id: uuid.UUID) -> UserRead:
    async with reading.connect() as connection:
        found = (await connection.execute(select(users).where(users.c.id == user_id))).first()
    if found is None:
        raise HTTPException(404)
    return UserRead(**found._mapping)


app.include_router(router)
