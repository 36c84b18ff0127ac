"""A plain RQ worker that does not fork for each job, like the service's worker."""

import asyncio
import os
import time

from bare import work as bare
from bare.command import main
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

queue = Queue("bare", Redis.from_url(os.environ["REDIS_URL"]), serializer=JSONSerializer)
runner = asyncio.Runner()


def wait(sent_at: float, seconds: float) -> None:
    runner.run(bare.wait(sent_at, seconds))


def work() -> None:
    SimpleWorker([queue], serializer=JSONSerializer, worker_ttl=20).work(logging_level=None)


def send(count: int, seconds: float) -> None:
    for _ in range(count):
        # By name: this module is __main__ here, and is imported as bare.rq by the worker.
        queue.enqueue_call("bare.rq.wait", (time.time(), seconds), timeout=300, result_ttl=0)


if __name__ == "__main__":
    main(work, send)
