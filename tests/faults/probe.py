"""Tasks that note when they start and when they finish."""

import asyncio
import os
import sys
import time
from datetime import timedelta

from app.db import open_database
from app.jobs import task
from app.settings import get_settings
from app.uow import unit_of_work


def note(event: str, number: int) -> None:
    # A short line that is appended by one call does not mix with those of other processes.
    file = os.open(os.environ["PROBE_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{event} {number} {time.time()}\n".encode())
    os.close(file)


@task(max_tries=20, timeout=timedelta(seconds=30))
async def probe(number: int, seconds: float) -> None:
    note("started", number)
    await asyncio.sleep(seconds)
    note("finished", number)


@task(max_tries=20, timeout=timedelta(seconds=30))
def blocking_probe(number: int, seconds: float) -> None:
    note("started", number)
    time.sleep(seconds)
    note("finished", number)


async def enqueue(count: str, seconds: str, name: str) -> None:
    which = {"probe": probe, "blocking_probe": blocking_probe}[name]
    async with (
        open_database(get_settings().database_url) as database,
        unit_of_work(database) as uow,
    ):
        for number in range(int(count)):
            uow.enqueue(which, number, float(seconds))


if __name__ == "__main__":
    asyncio.run(enqueue(*sys.argv[1:]))
