"""Puts the ids of jobs on a broker, for Celery's workers."""

import asyncio
import importlib
import logging
import os
import signal
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from amqp.exceptions import ChannelError
from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init, worker_process_shutdown
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings
from redis import Redis
from redis.exceptions import RedisError

from app.database import Database, check_database_url, open_database
from app.jobs import Job
from app.jobs.runtime import in_batches, perform, run_workers
from app.jobs.task import DEFAULT_QUEUE
from app.settings import Settings, get_settings, read
from app.tasks import registry
from app.telemetry import configure_logging

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 2
REDIS_OPTIONS = {"max_retries": 0, "socket_timeout": 1, "socket_connect_timeout": 1}
RABBITMQ_OPTIONS = {"confirm_publish": True, "read_timeout": 1, "write_timeout": 1}
CERTIFICATES = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}


def broker_options(url: str, **transport: object) -> dict[str, Any]:
    """Reads a URL as redis-py does. Celery itself would not verify certificates, or host names."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "amqps":
        ca, wanted = query.pop("ssl_ca_certs", None), query.pop("ssl_cert_reqs", "required")
        ssl.create_default_context(cafile=ca)
        tls: dict[str, Any] = {"ca_certs": ca, "cert_reqs": CERTIFICATES[wanted]}
        if wanted == "required":
            tls["server_hostname"] = parts.hostname
        url = parts._replace(query=urlencode(query)).geturl()
        return {"broker": url, "broker_use_ssl": tls, "broker_transport_options": transport}
    if parts.scheme not in {"redis", "rediss", "unix"}:
        return {"broker": url, "broker_transport_options": transport}
    pool = Redis.from_url(url).connection_pool
    pool.make_connection()
    given = pool.connection_kwargs
    database = given.get("db", 0)
    if parts.path.strip("/") and not given.keys() & {"db", "path"}:
        raise ValueError("the path must be the number of a database")
    tls = {name: given[name] for name in query if name.startswith("ssl_")}
    if parts.scheme == "rediss":
        ssl.create_default_context(cafile=tls.get("ssl_ca_certs"))
        tls.setdefault("ssl_cert_reqs", "required")
        tls.setdefault("ssl_check_hostname", tls["ssl_cert_reqs"] != "none")
    broker = f"{parts.scheme}://{parts.netloc}/{database}"
    if parts.scheme == "unix":
        broker = f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"
    transport |= {name: given[name] for name in query if name not in tls}
    return {"broker": broker, "broker_use_ssl": tls, "broker_transport_options": transport}


def check_broker_url(url: str) -> str:
    """Refuses at the start what would fail at every use. It does not connect."""
    try:
        urlsplit(url.partition(";")[0]).port  # noqa: B018 - reading it validates it
    except ValueError:
        # The text of the error may contain a part of the password.
        raise ValueError("not a URL. Is the password encoded, such as / as %2F?") from None
    try:
        Connection(broker_options(url)["broker"])
    except OSError as error:
        raise ValueError(f"cannot read ssl_ca_certs: {error}") from None
    except (KeyError, TypeError, ValueError, RedisError) as error:
        raise ValueError(f"cannot be used: {error}") from None
    return url


BrokerUrl = Annotated[str, AfterValidator(check_broker_url)]


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: BrokerUrl = "redis://localhost:6379/0"
    """Redis that queues the ids of jobs: `redis://`, `rediss://` or `unix://`."""
    broker_url: BrokerUrl = Field(default_factory=lambda given: given["redis_url"])
    """Another broker that Celery supports, such as `amqp://`. Default: `REDIS_URL`."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """Prefix of the names of queues. Services that share a broker need different ones."""
    jobs_concurrency: int = Field(default_factory=lambda _: os.cpu_count() or 1, ge=1)
    """Maximum number of jobs that run at a time in a worker. Default: the number of cores."""

    def name_of(self, queue: str) -> str:
        return f"{self.jobs_queue}.{queue}"


class CeleryEngine:
    def __init__(self, producer: Celery, settings: BrokerSettings) -> None:
        self._producer = producer
        self._settings = settings

    async def send(self, jobs: Sequence[Job]) -> None:
        for batch in in_batches(jobs):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.to_thread(self._send, batch)

    def _send(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            queue = self._settings.name_of(job.queue)
            self._producer.send_task(run_job.name, [str(job.id)], queue=queue)

    async def waiting(self, queue: str) -> int:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await asyncio.to_thread(self._count, self._settings.name_of(queue))

    def _count(self, name: str) -> int:
        with self._producer.connection_for_read() as connection:
            channel: Any = connection.default_channel
            try:
                found = channel.queue_declare(name, passive=True)
            except ChannelError as error:
                if str(error.reply_code) != "404":
                    raise
                return 0
            return int(found.message_count)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[CeleryEngine]:
    """Connects at the first use: the service starts and serves without a broker."""
    settings = read(BrokerSettings)
    producer = Celery(
        **broker_options(settings.broker_url, **REDIS_OPTIONS, **RABBITMQ_OPTIONS),
        set_as_current=False,
        task_default_queue=settings.name_of(DEFAULT_QUEUE),
        task_publish_retry=False,
        broker_connection_timeout=1,
    )
    # Imports now what the first request would have to wait for. It does not connect.
    producer.connection_for_write()
    try:
        yield CeleryEngine(producer, settings)
    finally:
        await asyncio.to_thread(producer.pool.force_close_all)  # type: ignore[attr-defined] # untyped


class WorkerProcess:
    """What each process of the worker has: an event loop, and the database."""

    runner = asyncio.Runner()
    _opened = AsyncExitStack()

    def start(self, **_: object) -> None:
        # A supervisor may signal every process of a worker. The main one waits for the others.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.runner.run(self._open())

    async def _open(self) -> None:
        database = open_database(get_settings().database_url)
        self._database = await self._opened.enter_async_context(database)

    async def perform(self, job_id: uuid.UUID) -> None:
        await perform(self._database, job_id)

    def stop(self, **_: object) -> None:
        with self.runner:
            self.runner.run(self._opened.aclose())


class PatientConsumer(Consumer):
    """Celery's own gives up an unavailable broker, and ends at a message that it cannot read."""

    def start(self) -> None:
        self.connection_errors += (ValueError, LookupError, TypeError)  # type: ignore[attr-defined] # untyped
        super().start()

    def ensure_connected(self, conn: Connection) -> Connection:
        def say(error: Exception, _: float) -> None:
            logger.warning("the broker is unavailable: %r", error)

        conn.ensure_connection(say, interval_start=1, interval_step=0, callback=maybe_shutdown)
        return super().ensure_connected(conn)


def log_like_the_service(**_: object) -> None:
    configure_logging(get_settings())
    for repeating in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(repeating).setLevel(logging.WARNING)


def check_before_the_fork(**_: object) -> None:
    asyncio.run(check_database_url())


celery = Celery(
    "{{ cookiecutter.project_slug }}",
    **broker_options(read(BrokerSettings).broker_url),
    accept_content=["json"],
    task_default_queue=read(BrokerSettings).name_of(DEFAULT_QUEUE),
    task_time_limit=int(max(task.timeout for task in registry.values()).total_seconds()) + 30,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_consumer=f"{__name__}:{PatientConsumer.__name__}",
    worker_prefetch_multiplier=1,
)
process = WorkerProcess()
setup_logging.connect(log_like_the_service)
worker_init.connect(check_before_the_fork)
worker_process_init.connect(process.start)
worker_process_shutdown.connect(process.stop)


@celery.task(ignore_result=True)
def run_job(job_id: str) -> None:
    process.runner.run(process.perform(uuid.UUID(job_id)))


def work(queue: str) -> None:
    settings = read(BrokerSettings)
    concurrency = f"--concurrency={settings.jobs_concurrency}"
    # Several workers of a machine need different names.
    name = f"--hostname={queue}@%h"
    celery.worker_main(["worker", f"--queues={settings.name_of(queue)}", concurrency, name])


if __name__ == "__main__":
    # Not this copy of the module, __main__: Celery names a task after its module.
    run_workers(importlib.import_module("app.engine").work)
