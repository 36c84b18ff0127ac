"""Requests, settings and rows of the jobs table, for the tests of the platform."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update

from app.database import Database, utc_now
from app.jobs import Job, Status
from app.jobs.models import Predecessor
from app.users.tasks import write_audit_log

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}
# Nothing listens there.
REFUSED = "postgresql://nobody@127.0.0.1:1/nothing"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://app@localhost/app",
    "OPS_TOKEN": secrets.token_hex(),
    "API_TOKEN": secrets.token_hex(),
    "WEBHOOK_SECRET": secrets.token_hex(),
    "TRUSTED_HOSTS": "api.example.com",
}


def ago(seconds: float) -> datetime:
    return utc_now() - timedelta(seconds=seconds)


async def add_job(database: Database, **values: object) -> Job:
    job = write_audit_log.job("user_registered", "ada@example.com")
    return await store(database, job, **values)


def after(*jobs: Job, wanted: Status = Status.SUCCEEDED) -> dict[str, object]:
    """Values of a job that follows others."""
    predecessors = [Predecessor(predecessor_id=job.id, wanted=wanted) for job in jobs]
    return {"is_follower": True, "predecessors": predecessors}


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
