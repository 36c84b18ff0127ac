"""Puts the ids of jobs on a broker, where Celery's workers take them up."""

import asyncio
import logging
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from amqp.exceptions import ChannelError
from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from pydantic import Field
from pydantic_settings import BaseSettings

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.jobs.relay import Relay
from app.log import configure_logging
from app.settings import Settings, get_settings, read
from app.tasks import tasks

PATIENCE_SECONDS = 1
TASK = "run_job"


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: str = "redis://localhost:6379/0"
    # Any broker that Celery speaks, such as amqp://; by default the Redis of REDIS_URL.
    broker_url: str = Field(default_factory=lambda given: given["redis_url"])
    # Services that share a broker need queues of their own.
    jobs_queue: str = "{{ cookiecutter.project_slug }}"


class CeleryEngine:
    def __init__(self, producer: Celery) -> None:
        self._producer = producer

    async def send(self, job: Job) -> None:
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            await asyncio.to_thread(self._producer.send_task, TASK, [str(job.id)])

    async def waiting(self) -> int:
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            return await asyncio.to_thread(self._count)

    def _count(self) -> int:
        queue = self._producer.conf.task_default_queue
        with self._producer.connection_for_read() as connection:
            channel: Any = connection.default_channel
            try:
                found = channel.queue_declare(queue, passive=True)
            except ChannelError as error:
                if str(error.reply_code) == "404":
                    return 0
                raise
            return int(found.message_count)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[CeleryEngine]:
    """Connects when there is something to say: the service starts and serves without a broker."""
    settings = read(BrokerSettings)
    # Not the worker's, which waits for the broker: this one gives up soon.
    producer = Celery(
        broker=settings.broker_url,
        set_as_current=False,
        task_default_queue=settings.jobs_queue,
        task_publish_retry=False,
        task_ignore_result=True,
        broker_connection_timeout=PATIENCE_SECONDS,
        broker_transport_options={
            "max_retries": 0,
            # Redis
            "socket_timeout": PATIENCE_SECONDS,
            "socket_connect_timeout": PATIENCE_SECONDS,
            "retry_on_timeout": False,
            # RabbitMQ
            "read_timeout": PATIENCE_SECONDS,
            "write_timeout": PATIENCE_SECONDS,
            "confirm_publish": True,
        },
    )
    try:
        yield CeleryEngine(producer)
    finally:
        await asyncio.to_thread(producer.close)


class WorkerProcess:
    """What lives as long as a process of the worker: an event loop, and the database."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()

    def start(self, **_: object) -> None:
        # Who stops a worker may signal all its processes; the first one stops the others.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._runner.run(self._connect())

    async def _connect(self) -> None:
        opening = open_database(get_settings().database_url)
        self._database = await self._open.enter_async_context(opening)
        self._engine = await self._open.enter_async_context(connect(self._database))

    def run_job(self, job_id: str) -> None:
        self._runner.run(self._run_job(uuid.UUID(job_id)))

    async def _run_job(self, job_id: uuid.UUID) -> None:
        released = await perform(self._database, job_id)
        await Relay(self._database, self._engine).hand_over(released)

    def stop(self, **_: object) -> None:
        self._runner.run(self._open.aclose())
        self._runner.close()


def log_like_the_service(**_: object) -> None:
    settings = get_settings()
    configure_logging(settings.log_level, as_json=settings.environment != "development")
    # The service writes its own lines per job.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


process = WorkerProcess()
worker_process_init.connect(process.start)
worker_process_shutdown.connect(process.stop)
setup_logging.connect(log_like_the_service)

longest = max(task.timeout for task in tasks.values())
celery = Celery(
    "{{ cookiecutter.project_slug }}",
    broker=read(BrokerSettings).broker_url,
    task_default_queue=read(BrokerSettings).jobs_queue,
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=0,  # which means: no end of them
    # perform() keeps the tasks' own limits.
    task_time_limit=int(longest.total_seconds()) + 30,
)


@celery.task(name=TASK, ignore_result=True)
def run_job(job_id: str) -> None:
    process.run_job(job_id)
