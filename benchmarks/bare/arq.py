"""A plain arq worker."""

import asyncio
import json
import os
import time
from typing import Any

from arq import ArqRedis, Worker
from arq.connections import RedisSettings
from bare import work as bare
from bare.command import main


def to_json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, default=repr).encode()


# Like the service's worker.
SETTINGS: dict[str, Any] = {
    "max_jobs": int(os.environ["CONCURRENCY"]),
    "queue_read_limit": 1000,
    "poll_delay": 0.1,
    "job_serializer": to_json,
    "job_deserializer": json.loads,
    "keep_result": 0,
    "max_tries": 1,
}
redis_url = os.environ["REDIS_URL"]
runner = asyncio.Runner()


async def wait(_: dict[Any, Any], sent_at: float, seconds: float) -> None:
    await bare.wait(sent_at, seconds)


def work() -> None:
    asyncio.set_event_loop(runner.get_loop())
    Worker([wait], redis_settings=RedisSettings.from_dsn(redis_url), **SETTINGS).run()


async def enqueue(count: int, seconds: float) -> None:
    redis = ArqRedis.from_url(redis_url)
    redis.job_serializer = to_json
    async with redis:
        for _ in range(count):
            await redis.enqueue_job("wait", time.time(), seconds)


def send(count: int, seconds: float) -> None:
    runner.run(enqueue(count, seconds))


if __name__ == "__main__":
    main(work, send)
