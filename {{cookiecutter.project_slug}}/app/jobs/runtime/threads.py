"""Threads for blocking tasks. They are not those of requests, which tasks could use up."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

logger = logging.getLogger(__name__)

MAX_THREADS = 40
limiters = RunVar[CapacityLimiter]("task_threads")
left: set[Thread] = set()


async def run_in_thread(call: Callable[[], object]) -> object:
    """The result of the call. A cancelled one goes on: a thread cannot be stopped."""
    limiter = limiters.get(None) or CapacityLimiter(MAX_THREADS)
    limiters.set(limiter)
    async with limiter:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def run() -> None:
            error: BaseException | None = None
            result: object = None
            try:
                result = call()
            except BaseException as raised:
                # A future cannot hold a StopIteration.
                is_stop = isinstance(raised, StopIteration)
                error = RuntimeError(f"StopIteration: {raised}") if is_stop else raised
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(report, error, result)

        def report(error: BaseException | None, result: object) -> None:
            if not done.done():
                done.set_exception(error) if error else done.set_result(result)

        # A process need not wait for a daemon thread to end.
        thread = Thread(target=copy_context().run, args=(run,), name="task", daemon=True)
        thread.start()
        try:
            return await done
        except asyncio.CancelledError:
            left.intersection_update([old for old in left if old.is_alive()])
            left.add(thread)
            logger.warning("a cancelled task still runs in a thread", extra={"threads": len(left)})
            raise
