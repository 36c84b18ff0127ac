"""Threads for what blocks."""

import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest

from app.jobs.runtime import threads
from app.jobs.runtime.threads import run_in_thread
from tests.processes import PROJECT

HANG_AND_END = """
import asyncio, threading
from app.jobs.runtime.threads import run_in_thread

async def main():
    async with asyncio.timeout(0.1):
        await run_in_thread(threading.Event().wait)

try:
    asyncio.run(main())
except TimeoutError:
    print("ended")
"""


def test_a_process_ends_although_a_task_does_not() -> None:
    command = [sys.executable, "-c", HANG_AND_END]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout) == (0, "ended\n")


async def test_threads_that_are_left_behind_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    may_end = threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await run_in_thread(may_end.wait)
    may_end.set()
    *_, last = [record for record in caplog.records if record.name == threads.__name__]
    assert vars(last)["threads"] >= 2


async def test_threads_that_are_left_behind_do_not_take_the_place_of_others() -> None:
    may_end = threading.Event()
    for _ in range(threads.MAX_THREADS + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run_in_thread(may_end.wait)
    async with asyncio.timeout(10):
        await run_in_thread(may_end.set)
    assert may_end.is_set()


async def test_an_end_of_iteration_is_a_failure_like_any_other() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await run_in_thread(partial(next, iter(())))
