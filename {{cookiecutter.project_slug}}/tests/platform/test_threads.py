"""Threads for tasks that block."""

import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest

from app.jobs.runtime import threads
from app.jobs.runtime.threads import run_in_thread
from app.telemetry.log import bound, request_id
from tests.support.processes import PROJECT

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


@pytest.mark.slow
def test_a_process_can_end_although_a_task_hangs() -> None:
    command = [sys.executable, "-c", HANG_AND_END]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout) == (0, "ended\n")


async def test_abandoned_threads_are_counted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    may_end = threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await run_in_thread(may_end.wait)
    may_end.set()
    *_, last = [record for record in caplog.records if record.name == threads.__name__]
    assert vars(last)["threads"] >= 2


@pytest.mark.slow
async def test_abandoned_threads_do_not_count_towards_the_limit() -> None:
    may_end = threading.Event()
    for _ in range(threads.MAX_THREADS + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run_in_thread(may_end.wait)
    async with asyncio.timeout(10):
        await run_in_thread(may_end.set)
    assert may_end.is_set()


async def test_a_thread_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    await run_in_thread(threading.get_ident)
    known = {thread.ident for thread in threading.enumerate()}
    monkeypatch.setattr(threads, "_start_thread", None)
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: 1 / 0)
    assert await run_in_thread(threading.get_ident) in known


async def test_a_call_has_the_context_of_its_task_and_leaves_none() -> None:
    with bound(request_id, "the-request"):
        assert await run_in_thread(request_id.get) == "the-request"
    assert await run_in_thread(request_id.get) is None


async def test_a_stop_iteration_is_an_ordinary_failure() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await run_in_thread(partial(next, iter(())))
