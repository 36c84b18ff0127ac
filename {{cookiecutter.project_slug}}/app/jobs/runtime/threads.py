"""Threads for blocking tasks. They are not those of requests, which tasks could use up."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

logger = logging.getLogger(__name__)

Calls = SimpleQueue[Callable[[], None]]

MAX_THREADS = 40
limiters = RunVar[CapacityLimiter]("task_threads")
# Each thread is known by its queue.
idle: list[Calls] = []
left: set[Calls] = set()


async def run_in_thread(call: Callable[[], object]) -> object:
    """The result of the call. A cancelled one goes on: a thread cannot be stopped."""
    limiter = limiters.get(None) or CapacityLimiter(MAX_THREADS)
    limiters.set(limiter)
    async with limiter:
        loop, context = asyncio.get_running_loop(), copy_context()
        done: asyncio.Future[object] = loop.create_future()
        calls = idle.pop() if idle else _start_thread()
        left.discard(calls)

        def run() -> None:
            error: BaseException | None = None
            result: object = None
            try:
                result = context.run(call)
            except BaseException as raised:
                # A future cannot hold a StopIteration.
                is_stop = isinstance(raised, StopIteration)
                error = RuntimeError(f"StopIteration: {raised}") if is_stop else raised
            idle.append(calls)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(report, error, result)

        def report(error: BaseException | None, result: object) -> None:
            if not done.done():
                done.set_exception(error) if error else done.set_result(result)

        calls.put(run)
        try:
            return await done
        except asyncio.CancelledError:
            left.add(calls)
            left.difference_update(idle)
            logger.warning("a cancelled task still runs in a thread", extra={"threads": len(left)})
            raise


def _start_thread() -> Calls:
    """It is used again, because the start of a thread blocks the event loop."""
    calls = Calls()
    # A process need not wait for a daemon thread to end.
    Thread(target=_run_all, args=(calls,), name="task", daemon=True).start()
    return calls


def _run_all(calls: Calls) -> None:
    while True:
        calls.get()()
