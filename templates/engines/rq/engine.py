"""Puts the ids of jobs on Redis, for RQ's workers."""

import asyncio
import importlib
import logging
import signal
import ssl
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from app.database import Database, check_database_url, open_database
from app.jobs import Job
from app.jobs.runtime import in_batches, perform, run_workers
from app.settings import Settings, get_settings, read
from app.tasks import registry
from app.telemetry import configure_logging

logger = logging.getLogger(__name__)

REDIS_ERRORS = (RedisError, OSError)
TIMEOUT_SECONDS = 2
# A worker waits for a job for five seconds at a time: RQ subtracts 15, and allows 10 more.
WORKER_TTL = 20


def open_redis(url: str) -> Redis:
    """Connects at the first use. It verifies certificates, and their host names, by default."""
    is_verified = url.startswith("rediss:") and "ssl_cert_reqs=none" not in url
    return Redis.from_url(
        url,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        # Closes the connection: its address may have moved to another server.
        retry_on_error=[ReadOnlyError],
        **({"ssl_check_hostname": True} if is_verified else {}),
    )


def check_redis_url(url: str) -> str:
    """Refuses at the start what would fail at every use. It does not connect."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it validates it
    except ValueError:
        # The text of the error may contain a part of the password.
        raise ValueError("not a URL. Is the password encoded, such as / as %2F?") from None
    try:
        pool = open_redis(url).connection_pool
        pool.make_connection()
        given = pool.connection_kwargs
        ssl.create_default_context(cafile=given.get("ssl_ca_certs"))
        if parts.path.strip("/") and not given.keys() & {"db", "path"}:
            raise ValueError("the path must be the number of a database")
    except OSError as error:
        raise ValueError(f"cannot read ssl_ca_certs: {error}") from None
    except (TypeError, ValueError, RedisError) as error:
        raise ValueError(f"cannot be used: {error}") from None
    return url


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: Annotated[str, AfterValidator(check_redis_url)] = "redis://localhost:6379/0"
    """Redis that queues the ids of jobs: `redis://`, `rediss://` or `unix://`."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """Prefix of the names of queues. Services that share a Redis need different ones."""
    jobs_concurrency: int = Field(default=1, ge=1)
    """Number of worker processes for each queue. Each runs one job at a time."""


settings = read(BrokerSettings)


def queue_on(redis: Redis, queue: str) -> Queue:
    # perform() applies the timeout of the task.
    longest = int(max(task.timeout for task in registry.values()).total_seconds()) + 30
    return Queue(f"{settings.jobs_queue}:{queue}", redis, longest, serializer=JSONSerializer)


class RqEngine:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def send(self, jobs: Sequence[Job]) -> None:
        for batch in in_batches(jobs):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.to_thread(self._send, batch)

    def _send(self, jobs: Sequence[Job]) -> None:
        queue = queue_on(self._redis, jobs[0].queue)
        for job in jobs:
            queue.enqueue_call(run_job, (str(job.id),), result_ttl=0, failure_ttl=3600)

    async def waiting(self, queue: str) -> int:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await asyncio.to_thread(len, queue_on(self._redis, queue))


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[RqEngine]:
    """Connects at the first use: the service starts and serves without Redis."""
    with open_redis(settings.redis_url) as redis:
        yield RqEngine(redis)


class WorkerProcess:
    """What the worker has: an event loop, and the database."""

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

    def run(self, job_id: uuid.UUID) -> None:
        self._runner.run(self._perform(job_id))

    async def _perform(self, job_id: uuid.UUID) -> None:
        await perform(self._database, job_id)


process = WorkerProcess()


def run_job(job_id: str) -> None:
    process.run(uuid.UUID(job_id))


class PatientWorker(SimpleWorker):
    """RQ's own waits longer and longer for Redis, and is unknown to it once it was emptied."""

    max_connection_wait_time = 1
    is_told_to_stop = False

    def request_stop(self, signum: int, frame: object) -> None:
        self.is_told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call] # untyped

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        if not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call] # untyped
        super().heartbeat(timeout, pipeline)


def work(queue: str) -> None:
    """Run one job at a time, until a signal."""
    configure_logging(get_settings())
    asyncio.run(check_database_url())
    # The service logs jobs itself. RQ sets a level for the logger of its worker.
    for repeating in ("rq", "rq.worker"):
        logging.getLogger(repeating).setLevel(logging.WARNING)
    with process:
        logger.info("worker ready", extra={"queue": queue})
        while True:
            # While Redis is unavailable, RQ's worker does not handle them.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: sys.exit())
            try:
                queues = [queue_on(open_redis(settings.redis_url), queue)]
                worker = PatientWorker(queues, serializer=JSONSerializer, worker_ttl=WORKER_TTL)
                worker.work(logging_level=None)
                if worker.is_told_to_stop:
                    return
            except REDIS_ERRORS as error:
                logger.warning("Redis is unavailable: %r", error)
            time.sleep(1)


if __name__ == "__main__":
    # Not this copy of the module, __main__: RQ looks for run_job in the one of this name.
    run_workers(importlib.import_module("app.engine").work, read(BrokerSettings).jobs_concurrency)
