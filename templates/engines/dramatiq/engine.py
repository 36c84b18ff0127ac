"""Puts the ids of jobs on a broker, for Dramatiq's workers."""

import asyncio
import logging
import signal
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import gettempdir
from threading import Event
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit

import dramatiq
from dramatiq.asyncio import async_to_sync
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import DecodeError
from dramatiq.middleware import AsyncIO, Middleware
from pika import BlockingConnection, SSLOptions
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry

from app.database import Database, check_database_url, open_database
from app.jobs import Job
from app.jobs.runtime import in_batches, perform, run_workers
from app.jobs.task import DEFAULT_QUEUE
from app.settings import Settings, get_settings, read
from app.tasks import registry
from app.telemetry import configure_logging

logger = logging.getLogger(__name__)

BROKER_ERRORS = (RedisError, AMQPError, OSError)
TIMEOUT_SECONDS = 2
RABBITMQ_OPTIONS = {
    "connection_attempts": "1",
    "socket_timeout": "1",
    "stack_timeout": "1",
    "blocked_connection_timeout": "1",
    "heartbeat": "5",
}
CERTIFICATES = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}
# The health check in compose.yaml looks at the age of this file.
ALIVE = Path(gettempdir(), "worker.alive")


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


def open_rabbitmq(url: str, *middleware: Middleware) -> RabbitmqBroker:
    """Connects at the first use. It takes the same options for certificates as Redis."""
    parts = urlsplit(url)
    options = RABBITMQ_OPTIONS | dict(parse_qsl(parts.query, keep_blank_values=True))
    tls = None
    if parts.scheme == "amqps":
        context = ssl.create_default_context(cafile=options.pop("ssl_ca_certs", None))
        context.check_hostname = options.get("ssl_cert_reqs") != "none"
        context.verify_mode = CERTIFICATES[options.pop("ssl_cert_reqs", "required")]
        tls = SSLOptions(context, parts.hostname)
    url = parts._replace(query=urlencode(options)).geturl()
    broker = RabbitmqBroker(url=url, middleware=[*middleware], confirm_delivery=True)
    broker.parameters.ssl_options = tls  # type: ignore[attr-defined] # one URL, so no list
    return broker


def check_broker_url(url: str) -> str:
    """Refuses at the start what would fail at every use. It does not connect."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it validates it
    except ValueError:
        # The text of the error may contain a part of the password.
        raise ValueError("not a URL. Is the password encoded, such as / as %2F?") from None
    try:
        if parts.scheme.startswith("amqp"):
            open_rabbitmq(url)
            return url
        pool = open_redis(url).connection_pool
        pool.make_connection()
        given = pool.connection_kwargs
        ssl.create_default_context(cafile=given.get("ssl_ca_certs"))
        if parts.path.strip("/") and not given.keys() & {"db", "path"}:
            raise ValueError("the path must be the number of a database")
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
    """RabbitMQ (`amqp://` or `amqps://`) or another Redis. Default: `REDIS_URL`."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """Prefix of the names of queues. Services that share a broker need different ones."""
    jobs_concurrency: int = Field(default=8, ge=1)
    """Maximum number of jobs that run at a time in a worker process."""

    def name_of(self, queue: str) -> str:
        return f"{self.jobs_queue}.{queue}"


def show_life() -> None:
    with suppress(OSError):
        ALIVE.touch()
    asyncio.get_running_loop().call_later(5, show_life)


class WorkerProcess(Middleware):
    """What a worker has on its event loop: the database."""

    _opened = AsyncExitStack()

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        # What a worker fetches beyond what it runs would count as lost.
        worker.queue_prefetch = worker.worker_threads
        async_to_sync(self._open)()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        async_to_sync(self._opened.aclose)()

    async def _open(self) -> None:
        database = open_database(get_settings().database_url)
        self._database = await self._opened.enter_async_context(database)
        show_life()

    async def perform(self, job_id: uuid.UUID) -> None:
        await perform(self._database, job_id)


class PatientConsumer(_RedisConsumer):
    """Dramatiq's own sleeps while threads are free, and ends at a message that it cannot read."""

    def __init__(self, broker: RedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call] # untyped
        self._has_room = Event()

    def ack(self, message: dramatiq.MessageProxy) -> None:
        super().ack(message)  # type: ignore[no-untyped-call] # untyped
        self._has_room.set()

    def __next__(self) -> dramatiq.MessageProxy | None:
        self._has_room.clear()
        if len(self.queued_message_ids) >= self.prefetch:
            self._has_room.wait(self.timeout / 1000)
            return None
        try:
            return super().__next__()  # type: ignore[no-untyped-call, no-any-return] # untyped
        except DecodeError as error:
            logger.error("dropped a message that cannot be read: %r", error.data)
            messages = f"{self.broker.namespace}:{self.queue_name}.msgs"
            for message_id, found in self.broker.client.hscan_iter(messages):
                if found == error.data:
                    self.broker.do_ack(self.queue_name, message_id)
            return None


class PatientRedisBroker(RedisBroker):
    consumer_class = PatientConsumer


def open_broker(url: str, *middleware: Middleware) -> RedisBroker | RabbitmqBroker:
    if url.startswith("amqp"):
        return open_rabbitmq(url, *middleware)
    return PatientRedisBroker(client=open_redis(url), middleware=[*middleware])  # type: ignore[no-untyped-call] # untyped


settings = read(BrokerSettings)
process = WorkerProcess()
# No middleware for retries or limits: perform() and the ledger do that.
broker = open_broker(settings.broker_url, AsyncIO(), process)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=settings.name_of(DEFAULT_QUEUE))
async def run_job(job_id: str) -> None:
    await process.perform(uuid.UUID(job_id))


def count_waiting(queue: str) -> int:
    name = settings.name_of(queue)
    if isinstance(broker, RedisBroker):
        return int(broker.client.llen(f"{broker.namespace}:{name}"))
    with BlockingConnection(broker.parameters) as connection:
        try:
            found = connection.channel().queue_declare(name, passive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code != 404:
                raise
            return 0
        return int(found.method.message_count)


def send_all(jobs: Sequence[Job]) -> None:
    name = settings.name_of(jobs[0].queue)
    broker.declare_queue(name)
    for job in jobs:
        broker.enqueue(run_job.message(str(job.id)).copy(queue_name=name))


class DramatiqEngine:
    async def send(self, jobs: Sequence[Job]) -> None:
        for batch in in_batches(jobs):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.to_thread(send_all, batch)

    async def waiting(self, queue: str) -> int:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await asyncio.to_thread(count_waiting, queue)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[DramatiqEngine]:
    yield DramatiqEngine()


def work(queue: str) -> None:
    configure_logging(get_settings())
    asyncio.run(check_database_url())
    # The service logs jobs itself.
    logging.getLogger("dramatiq").setLevel(logging.WARNING)
    # Not an Event: its set() in a signal handler can deadlock with its wait().
    stop = SimpleQueue[int]()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stop.put(number))
    while True:
        try:
            count_waiting(queue)
            break
        except BROKER_ERRORS as error:
            logger.warning("the broker is unavailable: %r", error)
        with suppress(Empty):
            stop.get(timeout=1)
            return
    name = settings.name_of(queue)
    broker.declare_queue(name)
    worker = dramatiq.Worker(
        broker, queues={name}, worker_timeout=100, worker_threads=settings.jobs_concurrency
    )
    worker.start()
    logger.info("worker ready", extra={"queue": queue})
    stop.get()
    longest = max(task.timeout for task in registry.values())
    worker.stop(timeout=int(longest.total_seconds() + 5) * 1000)


if __name__ == "__main__":
    run_workers(work)
