"""Puts the ids of jobs on Redis, where RQ's workers take them up."""

import asyncio
import importlib
import logging
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import RedisDsn
from pydantic_settings import BaseSettings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.jobs.relay import Relay
from app.log import configure_logging
from app.settings import Settings, get_settings, read
from app.tasks import tasks

logger = logging.getLogger(__name__)

REDIS_IS_AWAY = (RedisError, OSError)
PATIENCE_SECONDS = 2
FAILS_SOON = {"socket_timeout": 1, "socket_connect_timeout": 1}
# A worker asks for a job for five seconds at a time: RQ takes 15 off, and adds 10 to wait for it.
WORKER_TTL = 20


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: RedisDsn = RedisDsn("redis://localhost:6379/0")
    """Where the ids of jobs are queued."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """The queue's name: services that share a Redis differ in it."""


settings = read(BrokerSettings)


def open_queue() -> Queue:
    redis = Redis.from_url(str(settings.redis_url), **FAILS_SOON, retry=Retry(NoBackoff(), 0))
    # perform() keeps the tasks' own limits.
    longest = int(max(task.timeout for task in tasks.values()).total_seconds()) + 30
    return Queue(settings.jobs_queue, redis, longest, serializer=JSONSerializer)


class RqEngine:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def send(self, jobs: Sequence[Job]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.to_thread(self._send, [str(job.id) for job in jobs])

    def _send(self, ids: Sequence[str]) -> None:
        for job_id in ids:
            self._queue.enqueue_call(run_job, (job_id,), result_ttl=0, failure_ttl=3600)

    async def waiting(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.to_thread(len, self._queue)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[RqEngine]:
    """Connects when there is something to say: the service starts and serves without Redis."""
    queue = open_queue()
    try:
        yield RqEngine(queue)
    finally:
        queue.connection.close()


class WorkerProcess:
    """What lives as long as the worker: its event loop, and the database."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()

    def __enter__(self) -> None:
        self._runner.run(self._open())

    def __exit__(self, *_: object) -> None:
        with self._runner:
            self._runner.run(self._opened.aclose())

    async def _open(self) -> None:
        database = open_database(get_settings().database_url)
        self._database = await self._opened.enter_async_context(database)
        self._engine = await self._opened.enter_async_context(connect(self._database))

    def run(self, job_id: uuid.UUID) -> None:
        self._runner.run(self._perform(job_id))

    async def _perform(self, job_id: uuid.UUID) -> None:
        released = await perform(self._database, job_id)
        await Relay(self._database, self._engine).hand_over(released)


process = WorkerProcess()


def run_job(job_id: str) -> None:
    process.run(uuid.UUID(job_id))


class PatientWorker(SimpleWorker):
    """RQ's own asks ever more seldom for a Redis that is away."""

    max_connection_wait_time = 1
    is_told_to_stop = False

    def request_stop(self, signum: int, frame: object) -> None:
        self.is_told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # untyped


def work() -> None:
    """Takes one job at a time, until it is told to stop."""
    with process:
        logger.info("the worker is ready")
        while True:
            # While Redis is away, no worker of RQ listens to them.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: sys.exit())
            try:
                worker = PatientWorker(
                    [open_queue()], serializer=JSONSerializer, worker_ttl=WORKER_TTL
                )
                worker.work(logging_level=None)
                if worker.is_told_to_stop:
                    return
            except REDIS_IS_AWAY as error:
                logger.warning("Redis does not answer: %r", error)
            time.sleep(1)


if __name__ == "__main__":
    configure_logging(get_settings())
    # The service writes its own lines per job; RQ has set a level for its worker's.
    for repeating in ("rq", "rq.worker"):
        logging.getLogger(repeating).setLevel(logging.WARNING)
    # Not this copy of the module: the one of this name, in which RQ looks for run_job.
    importlib.import_module("app.jobs.engine").work()
