"""Puts the ids of jobs on a broker, for taskiq's workers."""

import asyncio
import logging
import signal
import ssl
import uuid
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError
from taskiq import AsyncBroker, BrokerMessage, TaskiqMessage
from taskiq.formatters.json_formatter import JSONFormatter
from taskiq.receiver import Receiver

import app.tasks  # noqa: F401 - declares the tasks
from app.database import Database, check_database_url, open_database
from app.jobs import Job
from app.jobs.runtime import in_batches, perform, run_workers
from app.jobs.task import DEFAULT_QUEUE
from app.settings import Settings, get_settings, read
from app.telemetry import configure_logging

logger = logging.getLogger(__name__)

BROKER_ERRORS = (RedisError, AMQPError, ChannelInvalidStateError, OSError)
TIMEOUT_SECONDS = 1
POLL_SECONDS = 0.1
TASK = "run_job"
ALIVE = Path(gettempdir(), "worker.alive")  # compose.yaml checks its age


def open_redis(url: str) -> Redis:
    """Connects at the first use. It verifies certificates, and their host names, by default."""
    return Redis.from_url(
        url,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        # Closes the connection: its address may have moved to another server.
        retry_on_error=[ReadOnlyError],
    )


def rabbitmq_options(url: str) -> tuple[str, ssl.SSLContext]:
    """It takes the same options for certificates as Redis."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    context = ssl.create_default_context(cafile=options.pop("ssl_ca_certs", None))
    wanted = options.pop("ssl_cert_reqs", "required")
    context.check_hostname = wanted != "none"
    context.verify_mode = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}[wanted]
    if options:
        raise ValueError(f"unknown options: {', '.join(options)}")
    return parts._replace(query="heartbeat=5").geturl(), context


def check_broker_url(url: str) -> str:
    """Refuses at the start what would fail at every use, without quoting the password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it validates it
    except ValueError:
        raise ValueError("not a URL. Is the password encoded, such as / as %2F?") from None
    try:
        if parts.scheme in {"amqp", "amqps"}:
            rabbitmq_options(url)
            return url
        pool = open_redis(url).connection_pool
        pool.make_connection()  # type: ignore[no-untyped-call] # untyped
        ssl.create_default_context(cafile=pool.connection_kwargs.get("ssl_ca_certs"))
        if parts.path.strip("/") and not pool.connection_kwargs.keys() & {"db", "path"}:
            raise ValueError("the path must be the number of a database")
    except OSError as error:
        raise ValueError(f"cannot read ssl_ca_certs: {error}") from None
    except (KeyError, TypeError, ValueError, RedisError) as error:
        raise ValueError(f"cannot be used: {error}") from None
    return url


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: Annotated[str, AfterValidator(check_broker_url)] = "redis://localhost:6379/0"
    """Redis that queues the ids of jobs: `redis://`, `rediss://` or `unix://`."""
    broker_url: Annotated[str, AfterValidator(check_broker_url)] = Field(
        default_factory=lambda given: given["redis_url"]
    )
    """RabbitMQ (`amqp://` or `amqps://`) or another Redis. Default: `REDIS_URL`."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """Prefix of the names of queues. Services that share a broker need different ones."""
    jobs_concurrency: int = Field(default=10, ge=1)
    """Maximum number of jobs that run at a time in a worker process."""

    def name_of(self, queue: str) -> str:
        # A queue that another engine has left may have the same name without the first part.
        return f"taskiq.{self.jobs_queue}.{queue}"


class Broker(AsyncBroker):
    """Unlike the brokers of taskiq's plugins, it outlives a lost connection."""

    def __init__(self, settings: BrokerSettings) -> None:
        super().__init__()
        self.formatter = JSONFormatter()
        self.settings = settings
        self.listens_to = settings.name_of(DEFAULT_QUEUE)

    async def send(self, jobs: Sequence[Job]) -> None:
        for batch in in_batches(jobs):
            messages = [self._message_for(job) for job in batch]
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self.put(self.settings.name_of(batch[0].queue), messages)

    def _message_for(self, job: Job) -> bytes:
        job_id = str(job.id)
        call = TaskiqMessage(task_id=job_id, task_name=TASK, labels={}, args=[job_id], kwargs={})
        return self.formatter.dumps(call).message

    async def waiting(self, queue: str) -> int:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self.count(self.settings.name_of(queue))

    async def kick(self, message: BrokerMessage) -> None:
        await self.put(self.listens_to, [message.message])

    @abstractmethod
    async def put(self, name: str, messages: Sequence[bytes]) -> None: ...

    @abstractmethod
    async def count(self, name: str) -> int: ...


class RedisBroker(Broker):
    def __init__(self, settings: BrokerSettings) -> None:
        super().__init__(settings)
        self._redis = open_redis(settings.broker_url)

    async def put(self, name: str, messages: Sequence[bytes]) -> None:
        await self._redis.lpush(name, *messages)

    async def count(self, name: str) -> int:
        return await self._redis.llen(name)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        while True:
            try:
                if found := await self._redis.brpop([self.listens_to], timeout=0.5):
                    yield found[1]  # type: ignore[misc] # nothing decodes it
            except BROKER_ERRORS as error:
                await wait_for_broker(error)

    async def shutdown(self) -> None:
        await super().shutdown()
        await self._redis.aclose()


class RabbitMQBroker(Broker):
    def __init__(self, settings: BrokerSettings) -> None:
        super().__init__(settings)
        self._url, self._tls = rabbitmq_options(settings.broker_url)
        # Whoever calls it logs an error, once for each outage.
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)
        self._opening = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    async def _declare(self, name: str) -> AbstractQueue:
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                if self._connection:
                    await self._connection.close()
                self._connection = await aio_pika.connect(
                    self._url, ssl_context=self._tls, timeout=TIMEOUT_SECONDS
                )
                self._channel = await self._connection.channel()
        return await self._channel.declare_queue(name, durable=True)

    async def put(self, name: str, messages: Sequence[bytes]) -> None:
        declared = await self._declare(name)
        for body in messages:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await declared.channel.default_exchange.publish(message, name)

    async def count(self, name: str) -> int:
        return (await self._declare(name)).declaration_result.message_count or 0

    async def listen(self) -> AsyncGenerator[bytes, None]:
        # It polls, because a consumer waits forever once its queue is deleted. Each call has a
        # timeout, because after an outage some never return.
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    queue = await self._declare(self.listens_to)
                while message := await queue.get(no_ack=True, fail=False, timeout=TIMEOUT_SECONDS):
                    yield message.body
            except BROKER_ERRORS as error:
                await wait_for_broker(error)
            await asyncio.sleep(POLL_SECONDS)

    async def shutdown(self) -> None:
        await super().shutdown()
        if self._connection:
            await self._connection.close()


async def wait_for_broker(error: Exception) -> None:
    logger.warning("the broker is unavailable: %r", error)
    await asyncio.sleep(TIMEOUT_SECONDS)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[Broker]:
    """Connects at the first use: the service starts and serves without a broker."""
    settings = read(BrokerSettings)
    kind = RabbitMQBroker if settings.broker_url.startswith("amqp") else RedisBroker
    broker = kind(settings)
    try:
        yield broker
    finally:
        with suppress(*BROKER_ERRORS, TimeoutError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await broker.shutdown()


def show_life() -> None:
    with suppress(OSError):
        ALIVE.touch()
    asyncio.get_running_loop().call_later(5, show_life)


async def serve(queue: str) -> None:
    stop, running = asyncio.Event(), set[asyncio.Task[None]]()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_database(get_settings().database_url) as database, connect(database) as broker:
        broker.listens_to = broker.settings.name_of(queue)

        @broker.task(TASK)
        async def run_job(job_id: str) -> None:
            job = asyncio.create_task(perform(database, uuid.UUID(job_id)))
            running.add(job)
            job.add_done_callback(running.discard)
            with suppress(asyncio.CancelledError):
                await job

        concurrency = broker.settings.jobs_concurrency
        show_life()
        logger.info("worker ready", extra={"queue": queue})
        await Receiver(broker, max_async_tasks=concurrency, wait_tasks_timeout=25).listen(stop)
        for job in running:
            job.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def work(queue: str) -> None:
    configure_logging(get_settings())
    asyncio.run(check_database_url())
    # The service logs jobs itself.
    logging.getLogger("taskiq").setLevel(logging.WARNING)
    asyncio.run(serve(queue))


if __name__ == "__main__":
    run_workers(work)
