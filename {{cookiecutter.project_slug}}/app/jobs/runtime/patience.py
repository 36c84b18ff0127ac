"""Tells a broker that does not answer from an event loop that is late."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Answer = TypeVar("Answer")

LATE_SECONDS = 0.1
MAX_ROUNDS = 3


async def ask_patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """A failure says nothing about the broker if this process was too busy to read the answer."""
    clock = asyncio.get_running_loop().time
    for _ in range(MAX_ROUNDS - 1):
        lateness = asyncio.create_task(_notice_lateness(clock()))
        try:
            return await ask()
        except Exception:
            await asyncio.sleep(0)  # so that it is noticed
            if not lateness.done():
                raise
        finally:
            lateness.cancel()
    return await ask()


async def _notice_lateness(due_at: float) -> None:
    clock = asyncio.get_running_loop().time
    while clock() - due_at <= LATE_SECONDS:
        due_at = clock() + LATE_SECONDS
        await asyncio.sleep(LATE_SECONDS)
