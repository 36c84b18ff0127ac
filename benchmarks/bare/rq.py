"""A plain RQ worker, without a fork per job, as the service has it."""

import asyncio
import os
import time

from bare.command import AT_DEFAULTS, main
from probe import work as probe
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

serializer = None if AT_DEFAULTS else JSONSerializer
queue = Queue("bare", Redis.from_url(os.environ["REDIS_URL"]), serializer=serializer)
runner = asyncio.Runner()


def asynchronous(sent_at: float, seconds: float) -> None:
    runner.run(probe.asynchronous(sent_at, seconds))


def synchronous(sent_at: float, seconds: float) -> None:
    probe.synchronous(sent_at, seconds)


def work() -> None:
    SimpleWorker([queue], serializer=serializer).work(logging_level=None)


def send(task: str, count: int, seconds: float) -> None:
    for _ in range(count):
        # By its name: what runs here is another copy of this module.
        queue.enqueue_call(f"bare.rq.{task}", (time.time(), seconds), timeout=300, result_ttl=0)


if __name__ == "__main__":
    main(work, send)
