"""Puts the ids of jobs on a broker, where Dramatiq's workers take them up."""

import asyncio
import logging
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import Annotated

import dramatiq
from dramatiq.asyncio import async_to_sync
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import DecodeError
from dramatiq.middleware import AsyncIO, Middleware
from pika import BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pydantic import AnyUrl, Field, RedisDsn, UrlConstraints
from pydantic_settings import BaseSettings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.jobs.relay import Relay
from app.log import configure_logging
from app.settings import Settings, get_settings, read
from app.tasks import tasks

logger = logging.getLogger(__name__)

BrokerUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["redis", "rediss", "amqp", "amqps"])]
BROKER_IS_AWAY = (RedisError, AMQPError, OSError)
PATIENCE_SECONDS = 2
RABBITMQ_FAILS_SOON = (
    "connection_attempts=1&socket_timeout=1&stack_timeout=1&blocked_connection_timeout=1"
    "&heartbeat=5"
)


class BrokerSettings(BaseSettings):
    model_config = Settings.model_config

    redis_url: RedisDsn = RedisDsn("redis://localhost:6379/0")
    """Where the ids of jobs are queued."""
    broker_url: BrokerUrl = Field(default_factory=lambda given: given["redis_url"])
    """RabbitMQ, by `amqp://`, or another Redis; not set: that of `REDIS_URL`."""
    jobs_queue: str = "{{ cookiecutter.project_slug }}"
    """The queue's name: services that share a broker differ in it."""


class WorkerProcess(Middleware):
    """What lives as long as a worker, on its event loop: the database."""

    _opened = AsyncExitStack()

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        # What a worker has fetched beyond what it runs would count as lost.
        worker.queue_prefetch = worker.worker_threads
        async_to_sync(self._open)()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        async_to_sync(self._opened.aclose)()

    async def _open(self) -> None:
        database = open_database(get_settings().database_url)
        self._database = await self._opened.enter_async_context(database)
        self._engine = await self._opened.enter_async_context(connect(self._database))

    async def perform(self, job_id: uuid.UUID) -> None:
        released = await perform(self._database, job_id)
        await Relay(self._database, self._engine).hand_over(released)


class PatientConsumer(_RedisConsumer):
    """Dramatiq's own sleeps beside free threads, and drops all it has at what it cannot read."""

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
            logger.error("no message, and so dropped from the queue: %r", error.data)
            messages = f"{self.broker.namespace}:{self.queue_name}.msgs"
            for message_id, found in self.broker.client.hscan_iter(messages):
                if found == error.data:
                    self.broker.do_ack(self.queue_name, message_id)
            return None


class PatientRedisBroker(RedisBroker):
    consumer_class = PatientConsumer


def open_broker(url: str, *middleware: Middleware) -> RedisBroker | RabbitmqBroker:
    """Connects when it must, and gives up soon: the service starts and serves without a broker."""
    if url.startswith("amqp"):
        url += f"{'&' if '?' in url else '?'}{RABBITMQ_FAILS_SOON}"
        return RabbitmqBroker(url=url, middleware=[*middleware], confirm_delivery=True)
    redis = Redis.from_url(
        url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    return PatientRedisBroker(client=redis, middleware=[*middleware])  # type: ignore[no-untyped-call] # untyped


queue = read(BrokerSettings).jobs_queue
process = WorkerProcess()
# No middleware that retries or limits: perform() and the ledger do.
broker = open_broker(str(read(BrokerSettings).broker_url), AsyncIO(), process)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=queue)
async def run_job(job_id: str) -> None:
    await process.perform(uuid.UUID(job_id))


def count_waiting() -> int:
    if isinstance(broker, RedisBroker):
        return int(broker.client.llen(f"{broker.namespace}:{queue}"))
    with BlockingConnection(broker.parameters) as connection:
        try:
            found = connection.channel().queue_declare(queue, passive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code != 404:
                raise
            return 0
        return int(found.method.message_count)


class DramatiqEngine:
    async def send(self, jobs: Sequence[Job]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.to_thread(lambda: [run_job.send(str(job.id)) for job in jobs])

    async def waiting(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.to_thread(count_waiting)


@asynccontextmanager
async def connect(database: Database) -> AsyncIterator[DramatiqEngine]:
    yield DramatiqEngine()


def work() -> None:
    # A signal may come while its arrival is waited for: an Event would then wait for itself.
    stop = SimpleQueue[int]()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stop.put(number))
    while True:
        try:
            count_waiting()
            break
        except BROKER_IS_AWAY as error:
            logger.warning("the broker does not answer: %r", error)
        with suppress(Empty):
            stop.get(timeout=1)
            return
    worker = dramatiq.Worker(broker, worker_timeout=100)
    worker.start()
    logger.info("the worker is ready")
    stop.get()
    longest = max(task.timeout for task in tasks.values())
    worker.stop(timeout=int(longest.total_seconds() + 5) * 1000)


if __name__ == "__main__":
    configure_logging(get_settings())
    # The service writes its own lines per job.
    logging.getLogger("dramatiq").setLevel(logging.WARNING)
    work()
