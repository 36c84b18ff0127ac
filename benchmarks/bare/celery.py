"""A plain Celery worker; an async task is run on an event loop that its process keeps."""

import asyncio
import os
import time
from typing import Any

from bare.command import AT_DEFAULTS, main
from celery import Celery
from probe import work as probe

LIKE_THE_SERVICE: dict[str, Any] = {"worker_prefetch_multiplier": 1, "task_ignore_result": True}

app = Celery(broker=os.environ["REDIS_URL"])
app.conf.update({} if AT_DEFAULTS else LIKE_THE_SERVICE)
runner = asyncio.Runner()


@app.task(name="asynchronous")
def asynchronous(sent_at: float, seconds: float) -> None:
    runner.run(probe.asynchronous(sent_at, seconds))


@app.task(name="synchronous")
def synchronous(sent_at: float, seconds: float) -> None:
    probe.synchronous(sent_at, seconds)


def work() -> None:
    app.worker_main(["worker", "--loglevel", "WARNING"])


def send(task: str, count: int, seconds: float) -> None:
    for _ in range(count):
        app.tasks[task].delay(time.time(), seconds)


if __name__ == "__main__":
    main(work, send)
