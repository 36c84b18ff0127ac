"""What a measured task does, in the service and without it: it waits, and notes when."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

# A short line that is appended by one call does not mix with those of other processes.
file = os.open(os.environ["PROBE_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@contextmanager
def noted(sent_at: float) -> Iterator[None]:
    os.write(file, f"started {sent_at} {time.time()}\n".encode())
    yield
    os.write(file, f"finished {sent_at} {time.time()}\n".encode())


async def asynchronous(sent_at: float, seconds: float) -> None:
    with noted(sent_at):
        if seconds:
            await asyncio.sleep(seconds)


def synchronous(sent_at: float, seconds: float) -> None:
    with noted(sent_at):
        if seconds:
            time.sleep(seconds)


KINDS = {"asynchronous": asynchronous, "synchronous": synchronous}
