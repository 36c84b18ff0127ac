"""A plain Celery worker. Each of its processes runs async tasks on one event loop."""

import asyncio
import os
import time

from bare import work as bare
from bare.command import main
from celery import Celery

app = Celery(broker=os.environ["REDIS_URL"])
# Like the service's worker.
app.conf.update(worker_prefetch_multiplier=1, task_ignore_result=True, task_time_limit=330)
runner = asyncio.Runner()


@app.task(name="wait")
def wait(sent_at: float, seconds: float) -> None:
    runner.run(bare.wait(sent_at, seconds))


def work() -> None:
    concurrency = f"--concurrency={os.environ['CONCURRENCY']}"
    app.worker_main(["worker", "--loglevel=WARNING", concurrency])


def send(count: int, seconds: float) -> None:
    for _ in range(count):
        wait.delay(time.time(), seconds)


if __name__ == "__main__":
    main(work, send)
