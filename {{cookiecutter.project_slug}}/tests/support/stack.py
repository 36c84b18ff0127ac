"""The processes of the service, and all that they talk to."""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from sqlalchemy import update

from app.database import open_database, utc_now
from app.jobs import Job, Status
from app.settings import get_settings
from tests.support.broker import Broker
from tests.support.processes import Service, running_service
from tests.support.receivers import (
    MailServer,
    WebhookReceiver,
    running_mail_server,
    running_webhook_receiver,
)

Json = dict[str, Any]


@dataclass
class Stack:
    database_url: str
    service: Service
    broker: Broker
    mail_server: MailServer
    webhook_receiver: WebhookReceiver
    client: httpx.Client
    """It has the token of operators. `API_TOKEN` is in `api_headers`."""
    api_headers: dict[str, str]

    def until_succeeded(self, job: Json) -> Json:
        """Wait for a job of a response."""

        def has_succeeded() -> bool:
            return bool(self._read(job)["status"] == "succeeded")

        self.service.until(has_succeeded)
        return self._read(job)

    def until_all_succeeded(self, jobs: Iterable[Json]) -> list[Json]:
        return [self.until_succeeded(job) for job in jobs]

    def until_ended(self, job: Json) -> Json:
        """Wait until it has succeeded or failed, without the delays between its tries."""

        def has_ended() -> bool:
            asyncio.run(skip_delays_of_retries())
            return bool(self._read(job)["finished_at"])

        self.service.until(has_ended)
        return self._read(job)

    def _read(self, job: Json) -> Json:
        found: Json = self.client.get(job["url"]).raise_for_status().json()
        return found


async def skip_delays_of_retries() -> None:
    url = get_settings().database_url
    async with open_database(url) as database, database.write.begin() as session:
        has_failed_once = (Job.status == Status.QUEUED) & Job.error.is_not(None)
        await session.execute(update(Job).where(has_failed_once).values(run_at=utc_now()))


@contextmanager
def running_stack(
    database_url: str,
    broker: Broker,
    directory: Path,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stack]:
    ops_token, api_token = secrets.token_hex(), secrets.token_hex()
    with ExitStack() as stack:
        mail_server = stack.enter_context(running_mail_server())
        webhook_receiver = stack.enter_context(running_webhook_receiver())
        environment = {
            "ENVIRONMENT": "production",
            "DATABASE_URL": database_url,
            "OPS_TOKEN": ops_token,
            "API_TOKEN": api_token,
            "TRUSTED_HOSTS": "127.0.0.1",
            "JOBS_RELAY_SECONDS": "0.2",
            "STOP_DELAY_SECONDS": "0",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mail_server.port),
            "SMTP_SECURITY": "none",
            "WEBHOOK_URL": webhook_receiver.url,
            "WEBHOOK_SECRET": webhook_receiver.secret,
            **broker.environment,
            **settings,
        }
        service = stack.enter_context(running_service(environment, directory))
        client = stack.enter_context(httpx.Client(base_url=service.url, headers=bearer(ops_token)))
        yield Stack(
            database_url,
            service,
            broker,
            mail_server,
            webhook_receiver,
            client,
            bearer(api_token),
        )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
