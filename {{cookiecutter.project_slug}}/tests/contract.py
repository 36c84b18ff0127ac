"""A whole service for tests: its processes, and all that they talk to."""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from sqlalchemy import update

from app.database import open_database, utc_now
from app.jobs import Job, Status
from app.jobs.models import Schedule
from app.settings import get_settings
from tests.broker import Broker
from tests.processes import Service, running_service
from tests.receivers import (
    MailServer,
    WebhookReceiver,
    running_mail_server,
    running_webhook_receiver,
)

OPS_TOKEN = secrets.token_hex()

Json = dict[str, Any]

numbers = count()


@dataclass
class World:
    database_url: str
    service: Service
    broker: Broker
    mail_server: MailServer
    webhook_receiver: WebhookReceiver
    client: httpx.Client

    def register(self) -> dict[str, Json]:
        """The jobs of a new user, by their tasks."""
        person = {"email": f"user{next(numbers)}@example.com", "full_name": "Somebody New"}
        response = self.client.post("/users", json=person)
        assert response.status_code == 201, response.text
        return {job["task"]: job for job in response.json()["jobs"]}

    def register_many(self, users: int) -> list[Json]:
        return [job for _ in range(users) for job in self.register().values()]

    def until_succeeded(self, job: Json) -> Json:
        def has_succeeded() -> bool:
            return bool(self._now(job)["status"] == "succeeded")

        self.service.until(has_succeeded)
        return self._now(job)

    def until_all_succeeded(self, jobs: Iterable[Json]) -> None:
        for job in jobs:
            self.until_succeeded(job)

    def until_ended(self, job: Json) -> Json:
        """The job at its end, with no wait between its tries."""

        def has_ended() -> bool:
            asyncio.run(let_the_waits_pass())
            return bool(self._now(job)["finished_at"])

        self.service.until(has_ended)
        return self._now(job)

    def jobs_of(self, task: str) -> list[Json]:
        found = self.client.get("/jobs", params={"task": task}).raise_for_status()
        return list(found.json()["items"])

    def _now(self, job: Json) -> Json:
        found: Json = self.client.get(job["url"]).raise_for_status().json()
        return found


async def make_due(task: str) -> bool:
    """Have the next due time of a task come, if its schedule is known yet."""
    url = get_settings().database_url
    async with open_database(url) as database, database.write.begin() as session:
        own = update(Schedule).where(Schedule.task == task).values(next_at=utc_now())
        return bool((await session.scalars(own.returning(Schedule.task))).all())


async def let_the_waits_pass() -> None:
    url = get_settings().database_url
    async with open_database(url) as database, database.write.begin() as session:
        has_failed_once = (Job.status == Status.QUEUED) & Job.error.is_not(None)
        await session.execute(update(Job).where(has_failed_once).values(run_at=utc_now()))


@contextmanager
def running_world(
    database_url: str,
    broker: Broker,
    directory: Path,
    lease_seconds: int,
    further: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[World]:
    with ExitStack() as stack:
        mail_server = stack.enter_context(running_mail_server())
        webhook_receiver = stack.enter_context(running_webhook_receiver())
        environment = {
            "ENVIRONMENT": "production",
            "DATABASE_URL": database_url,
            "OPS_TOKEN": OPS_TOKEN,
            "API_TOKEN": secrets.token_hex(),
            "TRUSTED_HOSTS": "127.0.0.1",
            "JOBS_LEASE_SECONDS": str(lease_seconds),
            "JOBS_RELAY_SECONDS": "0.2",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mail_server.port),
            "SMTP_SECURITY": "none",
            "WEBHOOK_URL": webhook_receiver.url,
            "WEBHOOK_SECRET": secrets.token_hex(),
        }
        service = stack.enter_context(
            running_service({**environment, **broker.environment, **further}, directory)
        )
        headers = {"Authorization": f"Bearer {OPS_TOKEN}"}
        client = stack.enter_context(httpx.Client(base_url=service.url, headers=headers))
        yield World(database_url, service, broker, mail_server, webhook_receiver, client)
