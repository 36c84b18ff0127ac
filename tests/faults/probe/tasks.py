"""Tasks that write a note when they start and when they finish."""

import asyncio
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from app.jobs import registry, task
from app.jobs.housekeeping import prune_jobs

# Otherwise a scheduled job could be counted among those of the tests.
registry[prune_jobs.name] = replace(prune_jobs, rule=None)


def note(event: str, number: int, execution: str) -> None:
    # A short line that is appended with one call does not mix with those of other processes.
    file = os.open(os.environ["PROBE_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    # Of the machine, whatever clock the process has.
    now = time.clock_gettime(time.CLOCK_REALTIME)
    os.write(file, f"{event} {number} {execution} {now}\n".encode())
    os.close(file)


@contextmanager
def noted(number: int) -> Iterator[None]:
    execution = uuid.uuid4().hex
    note("started", number, execution)
    yield
    note("finished", number, execution)


@task(max_tries=20, timeout=timedelta(seconds=30))
async def probe(number: int, seconds: float) -> None:
    with noted(number):
        await asyncio.sleep(seconds)


@task(max_tries=20, timeout=timedelta(seconds=30))
def blocking_probe(number: int, seconds: float) -> None:
    with noted(number):
        time.sleep(seconds)


def is_first_try(number: int) -> bool:
    notes = Path(os.environ["PROBE_NOTES"])
    return not notes.exists() or f"started {number} " not in notes.read_text()


@task(timeout=timedelta(minutes=5))
async def long_at_first(number: int, seconds: float) -> None:
    is_first = is_first_try(number)
    with noted(number):
        await asyncio.sleep(seconds if is_first else 0)


@task(timeout=timedelta(minutes=5))
def waits_at_first(number: int, signal: str) -> None:
    is_first = is_first_try(number)
    with noted(number):
        while is_first and not Path(signal).exists():
            time.sleep(0.05)
