"""A plain arq worker."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from arq import ArqRedis, Worker
from arq.connections import RedisSettings
from bare.command import AT_DEFAULTS, main
from probe import work as probe


def to_json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, default=repr).encode()


LIKE_THE_SERVICE: dict[str, Any] = {
    "queue_read_limit": 1000,
    "poll_delay": 0.1,
    "job_serializer": to_json,
    "job_deserializer": json.loads,
    "keep_result": 0,
    "max_tries": 1,
}
settings = {} if AT_DEFAULTS else LIKE_THE_SERVICE
redis_url = os.environ["REDIS_URL"]
runner = asyncio.Runner()
# As many as the service may have.
threads = ThreadPoolExecutor(40)


async def asynchronous(_: dict[Any, Any], sent_at: float, seconds: float) -> None:
    await probe.asynchronous(sent_at, seconds)


async def synchronous(_: dict[Any, Any], sent_at: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(threads, probe.synchronous, sent_at, seconds)


def work() -> None:
    asyncio.set_event_loop(runner.get_loop())
    redis = RedisSettings.from_dsn(redis_url)
    Worker([asynchronous, synchronous], redis_settings=redis, **settings).run()


async def enqueue(task: str, count: int, seconds: float) -> None:
    redis = ArqRedis.from_url(redis_url)
    redis.job_serializer = settings.get("job_serializer")
    async with redis:
        for _ in range(count):
            await redis.enqueue_job(task, time.time(), seconds)


def send(task: str, count: int, seconds: float) -> None:
    runner.run(enqueue(task, count, seconds))


if __name__ == "__main__":
    main(work, send)
