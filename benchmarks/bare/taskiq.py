"""A plain taskiq worker, on a list of Redis."""

import asyncio
import os
import time

from bare import work as bare
from bare.command import main
from taskiq.api import run_receiver_task
from taskiq.formatters.json_formatter import JSONFormatter
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["REDIS_URL"]).with_formatter(JSONFormatter())
wait = broker.task(task_name="wait")(bare.wait)
runner = asyncio.Runner()


def work() -> None:
    # Like the service's worker.
    concurrency = int(os.environ["CONCURRENCY"])
    asyncio.run(run_receiver_task(broker, max_async_tasks=concurrency, run_startup=True))


async def enqueue(count: int, seconds: float) -> None:
    for _ in range(count):
        await wait.kiq(time.time(), seconds)


def send(count: int, seconds: float) -> None:
    runner.run(enqueue(count, seconds))


if __name__ == "__main__":
    main(work, send)
