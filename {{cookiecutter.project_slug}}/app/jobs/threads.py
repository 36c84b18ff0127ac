"""Runs what blocks in threads of its own, so that it cannot starve the requests."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

logger = logging.getLogger(__name__)

MOST_THREADS = 40
limiters = RunVar[CapacityLimiter]("task_threads")
left: set[Thread] = set()


async def run_in_thread(call: Callable[[], object]) -> None:
    """Run it to its end, unless cancelled: a thread cannot be stopped, and is left to itself."""
    limiter = limiters.get(None) or CapacityLimiter(MOST_THREADS)
    limiters.set(limiter)
    async with limiter:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            error: BaseException | None = None
            try:
                call()
            except StopIteration as stop:
                error = RuntimeError(f"StopIteration: {stop}")  # no future takes one
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_report, done, error)

        # Only a daemon lets its process end before it does.
        thread = Thread(target=copy_context().run, args=(run,), name="task", daemon=True)
        thread.start()
        try:
            await done
        except asyncio.CancelledError:
            left.intersection_update([old for old in left if old.is_alive()])
            left.add(thread)
            logger.warning("a thread is left to a task that goes on", extra={"left": len(left)})
            raise


def _report(done: asyncio.Future[None], error: BaseException | None) -> None:
    if error and not done.done():
        done.set_exception(error)
    elif not done.done():
        done.set_result(None)
