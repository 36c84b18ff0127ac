"""Reading and writing the rows that tests are about."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select, update

from app.database import Base, Database, utc_now
from app.jobs import Job, Status
from app.users.tasks import write_audit_log

Row = TypeVar("Row", bound=Base)


def ago(seconds: float) -> datetime:
    return utc_now() - timedelta(seconds=seconds)


async def rows(database: Database, kind: type[Row]) -> Sequence[Row]:
    async with database.read() as session:
        return (await session.scalars(select(kind).order_by(kind.__table__.c.created_at))).all()


async def add_job(database: Database, **values: object) -> Job:
    job = write_audit_log.job("user_registered", "ada@example.com")
    return await store(database, job, **values)


async def add_running_job(database: Database, **values: object) -> Job:
    running: dict[str, object] = {"status": Status.RUNNING, "attempts": 1, "lease_until": ago(-10)}
    return await add_job(database, **(running | values))


async def store(database: Database, job: Job, **values: object) -> Job:
    for name, value in values.items():
        setattr(job, name, value)
    async with database.write.begin() as session:
        session.add(job)
    return job


async def reread(database: Database, job: Job) -> Job:
    async with database.read() as session:
        return (await session.scalars(select(Job).where(Job.id == job.id))).one()


async def change(database: Database, job: Job, **values: object) -> None:
    async with database.write.begin() as session:
        await session.execute(update(Job).where(Job.id == job.id).values(values))
