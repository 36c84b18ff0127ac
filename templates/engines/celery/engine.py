"""Puts the ids of jobs on a broker, where Celery's workers take them up."""

import asyncio
import logging
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from amqp.exceptions import ChannelError
from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from pydantic import Field
from pydantic_settings import BaseSettings

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.jobs.relay import Relay
from app.log import configure_logging
from app.settings import Settings, get_settings, read
from app.tasks import tasks

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 2
REDIS_FAILS_SOON = {"max_retries": 0, "socket_timeout": 1, "socket_connect_timeout": 1}
RABBITMQ_FAILS_SOON = {"confirm_publish": True, "read_timeout": 1, "write_timeout": 1}


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: str = "redis://localhost:6379/0"
    """Where the ids of jobs are queued."""
    broker_url: str = Field(default_factory=lambda given: given["redis_url"])
    """Any other broker that Celery speaks, such as `amqp://`; not set: that of `REDIS_URL`."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """The queue's name: services that share a broker differ in it."""


class CeleryEngine:
    def __init__(self, producer: Celery) -> None:
        self._producer = producer

    async def send(self, jobs: Sequence[Job]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.to_thread(self._send, [str(job.id) for job in jobs])

    def _send(self, ids: Sequence[str]) -> None:
        for job_id in ids:
            self._producer.send_task(run_job.name, [job_id])

    async def waiting(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.to_thread(self._count)

    def _count(self) -> int:
        with self._producer.connection_for_read() as connection:
            channel: Any = connection.default_channel
            try:
                found = channel.queue_declare(self._producer.conf.task_default_queue, passive=True)
            except ChannelError as error:
                if str(error.reply_code) != "404":
                    raise
                return 0
            return int(found.message_count)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[CeleryEngine]:
    """Connects when it must, and gives up soon: the service starts and serves without a broker."""
    settings = read(BrokerSettings)
    producer = Celery(
        broker=settings.broker_url,
        set_as_current=False,
        task_default_queue=settings.jobs_queue,
        task_publish_retry=False,
        broker_connection_timeout=1,
        broker_transport_options=REDIS_FAILS_SOON | RABBITMQ_FAILS_SOON,
    )
    # This imports much, and connects nothing: the first request should not have to wait for it.
    producer.connection_for_write()
    try:
        yield CeleryEngine(producer)
    finally:
        await asyncio.to_thread(producer.pool.force_close_all)  # type: ignore[attr-defined] # untyped


class WorkerProcess:
    """What lives as long as a process of the worker: its event loop, and the database."""

    runner = asyncio.Runner()
    _opened = AsyncExitStack()

    def start(self, **_: object) -> None:
        # Who stops a worker may signal all its processes: the first one lets the others finish.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.runner.run(self._open())

    async def _open(self) -> None:
        database = open_database(get_settings().database_url)
        self._database = await self._opened.enter_async_context(database)
        self._engine = await self._opened.enter_async_context(connect(self._database))

    async def perform(self, job_id: uuid.UUID) -> None:
        await Relay(self._database, self._engine).hand_over(await perform(self._database, job_id))

    def stop(self, **_: object) -> None:
        with self.runner:
            self.runner.run(self._opened.aclose())


class PatientConsumer(Consumer):
    """Celery's own gives up a broker that is away, and ends at a message that it cannot read."""

    def start(self) -> None:
        self.connection_errors += (ValueError, LookupError, TypeError)  # type: ignore[attr-defined] # untyped
        super().start()

    def ensure_connected(self, conn: Connection) -> Connection:
        def say(error: Exception, _: float) -> None:
            logger.warning("the broker does not answer: %r", error)

        conn.ensure_connection(say, interval_start=1, interval_step=0, callback=maybe_shutdown)
        return super().ensure_connected(conn)


def log_like_the_service(**_: object) -> None:
    configure_logging(get_settings())
    for repeating in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(repeating).setLevel(logging.WARNING)


celery = Celery(
    "{{ cookiecutter.project_slug }}",
    broker=read(BrokerSettings).broker_url,
    accept_content=["json"],
    task_default_queue=read(BrokerSettings).jobs_queue,
    task_time_limit=int(max(task.timeout for task in tasks.values()).total_seconds()) + 30,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_consumer=f"{__name__}:{PatientConsumer.__name__}",
    worker_prefetch_multiplier=1,
)
process = WorkerProcess()
setup_logging.connect(log_like_the_service)
worker_process_init.connect(process.start)
worker_process_shutdown.connect(process.stop)


@celery.task(ignore_result=True)
def run_job(job_id: str) -> None:
    process.runner.run(process.perform(uuid.UUID(job_id)))
