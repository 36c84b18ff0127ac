"""Puts the ids of jobs on Redis, for arq's workers."""

import asyncio
import json
import logging
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any
from urllib.parse import urlsplit

from arq import ArqRedis, Worker
from arq.constants import in_progress_key_prefix, job_key_prefix
from arq.jobs import serialize_job
from arq.utils import poll, timestamp_ms
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings
from redis.exceptions import ReadOnlyError, RedisError

from app.database import Database, check_database_url, open_database
from app.jobs import Job
from app.jobs.runtime import in_batches, perform, run_workers
from app.settings import Settings, get_settings, read
from app.tasks import registry
from app.telemetry import configure_logging

logger = logging.getLogger(__name__)

REDIS_ERRORS = (RedisError, OSError)
TIMEOUT_SECONDS = 1
# More than what all workers run at a time and killed ones have left.
HEAD_OF_QUEUE = 1000
# A worker does not see what is due in the future by its own clock.
CLOCK_DRIFT_MS = 24 * 60 * 60 * 1000
# The health check in compose.yaml looks at the age of this file.
ALIVE = Path(gettempdir(), "worker.alive")


def open_redis(url: str) -> ArqRedis:
    """Connects at the first use. It verifies certificates, and their host names, by default."""
    is_verified = url.startswith("rediss:") and "ssl_cert_reqs=none" not in url
    redis: ArqRedis = ArqRedis.from_url(
        url,
        socket_timeout=1,
        socket_connect_timeout=1,
        # Closes the connection: its address may have moved to another server.
        retry_on_error=[ReadOnlyError],
        **({"ssl_check_hostname": True} if is_verified else {}),
    )
    return redis


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
        pool.make_connection()  # type: ignore[no-untyped-call] # untyped
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
    jobs_concurrency: int = Field(default=10, ge=1)
    """Maximum number of jobs that run at a time in a worker process."""

    def name_of(self, queue: str) -> str:
        return f"{self.jobs_queue}:{queue}"


class ArqEngine:
    def __init__(self, redis: ArqRedis, settings: BrokerSettings) -> None:
        self.redis = redis
        self._settings = settings

    async def send(self, jobs: Sequence[Job]) -> None:
        for batch in in_batches(jobs):
            await self._send(batch)

    async def _send(self, jobs: Sequence[Job]) -> None:
        """Like arq's own enqueue_job(), but in one round trip."""
        now, expires_ms = timestamp_ms(), self.redis.expires_extra_ms
        queue = self._settings.name_of(jobs[0].queue)
        async with asyncio.timeout(TIMEOUT_SECONDS), self.redis.pipeline() as pipe:
            for position, job in enumerate(jobs):
                # A message has an id of its own: arq drops a second one with the same id.
                message_id, arguments = uuid.uuid4().hex, (str(job.id),)
                message = serialize_job(
                    run_job.__name__, arguments, {}, None, now, serializer=to_json
                )
                pipe.psetex(job_key_prefix + message_id, expires_ms, message)
                # The fraction of a millisecond keeps their order.
                pipe.zadd(queue, {message_id: now - CLOCK_DRIFT_MS + position / 1000})
            await pipe.execute()

    async def waiting(self, queue: str) -> int:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            name = self._settings.name_of(queue)
            # In this order, a job that ends meanwhile counts as waiting.
            sent = int(await self.redis.zcard(name))
            oldest = await self.redis.zrange(name, 0, HEAD_OF_QUEUE - 1)
            keys = [in_progress_key_prefix.encode() + message for message in oldest]
            return sent - int(await self.redis.exists(*keys) if keys else 0)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[ArqEngine]:
    """Connects at the first use: the service starts and serves without Redis."""
    settings = read(BrokerSettings)
    redis = open_redis(settings.redis_url)
    redis.job_serializer = to_json
    redis.expires_extra_ms = int(timedelta(days=30).total_seconds() * 1000)
    async with redis:
        yield ArqEngine(redis, settings)


def to_json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, default=repr).encode()


async def run_job(ctx: dict[Any, Any], job_id: str) -> None:
    await perform(ctx["database"], uuid.UUID(job_id))


class PatientWorker(Worker):
    """arq's own ends when Redis is unavailable. This one keeps its jobs and retries."""

    async def main(self) -> None:
        async for _ in poll(self.poll_delay_s):
            try:
                await self._poll_iteration()
            except REDIS_ERRORS as error:
                logger.warning("Redis is unavailable: %r", error)
                await asyncio.sleep(TIMEOUT_SECONDS)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        try:
            for garbage in [job_id for job_id in job_ids if not job_id.isascii()]:
                logger.error("dropped a message that is not a job: %r", garbage)
                await self.pool.zrem(self.queue_name, garbage)
                job_ids.remove(garbage)
            await super().start_jobs(job_ids)
        except REDIS_ERRORS:
            # Otherwise the job that did not start would occupy a slot of the worker.
            self._release_sem_dec_counter_on_complete()
            raise


def show_life() -> None:
    with suppress(OSError):
        ALIVE.touch()
    asyncio.get_running_loop().call_later(5, show_life)


async def serve(queue: str) -> None:
    settings = read(BrokerSettings)
    longest = max(task.timeout for task in registry.values())
    async with open_database(get_settings().database_url) as database, connect(database) as engine:
        worker = PatientWorker(
            [run_job],
            ctx={"database": database},
            redis_pool=engine.redis,
            queue_name=settings.name_of(queue),
            max_jobs=settings.jobs_concurrency,
            queue_read_limit=HEAD_OF_QUEUE,
            poll_delay=0.1,
            job_serializer=to_json,
            job_deserializer=json.loads,
            keep_result=0,
            max_tries=1,
            # perform() applies the timeout of the task.
            job_timeout=longest + timedelta(seconds=30),
            job_completion_wait=25,
        )
        show_life()
        logger.info("worker ready", extra={"queue": queue})
        with suppress(asyncio.CancelledError):
            await worker.async_run()
        with suppress(*REDIS_ERRORS):
            await worker.close()


def work(queue: str) -> None:
    configure_logging(get_settings())
    asyncio.run(check_database_url())
    # The service logs jobs itself, and arq warns of messages that are not missed.
    logging.getLogger("arq").setLevel(logging.ERROR)
    asyncio.run(serve(queue))


if __name__ == "__main__":
    run_workers(work)
