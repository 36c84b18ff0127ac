"""Tasks that misbehave."""

import asyncio
import os
import resource
import threading
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from app.jobs import task
from app.probe.tasks import note, noted

SPARE_BYTES = 256 * 2**20
SHORTLY = timedelta(seconds=1)
# The limit is of the process: one task must not lift it while another one allocates.
memory_limit = threading.Lock()


@task(max_tries=3)
async def raises(number: int) -> None:
    with noted(number):
        raise ValueError("never satisfied")


class Panic(BaseException):
    """As an extension in Rust raises it."""


@task(max_tries=2)
async def panics(number: int) -> None:
    with noted(number):
        raise Panic("in an extension")


@task(max_tries=2)
def interrupts_its_thread(number: int) -> None:
    with noted(number):
        raise KeyboardInterrupt


@task(max_tries=2, timeout=SHORTLY)
async def swallows_its_cancellation(number: int) -> None:
    note("started", number, uuid.uuid4().hex)
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


@task(max_tries=2, timeout=SHORTLY)
async def hangs(number: int) -> None:
    with noted(number):
        await asyncio.Event().wait()


@task(max_tries=2, timeout=SHORTLY)
def hangs_in_its_thread(number: int) -> None:
    with noted(number):
        threading.Event().wait()


@task(max_tries=2)
def takes_all_memory(number: int) -> None:
    with noted(number), memory_limit:
        before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        used = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, before[1]))
        try:
            bytearray(2 * SPARE_BYTES)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


@task(max_tries=3)
async def ends_its_process(number: int) -> None:
    with noted(number):
        os._exit(1)
