"""Tells a broker that does not answer from an event loop that is late."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Answer = TypeVar("Answer")

LATE_SECONDS = 0.1
MAX_ROUNDS = 3


async def ask_patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """A failure says nothing about the broker if this process was too busy to read the answer."""
    for _ in range(MAX_ROUNDS - 1):
        with _watched_loop() as was_late:
            try:
                return await ask()
            except Exception:
                if not was_late():
                    raise
    return await ask()


@contextmanager
def _watched_loop() -> Iterator[Callable[[], bool]]:
    loop = asyncio.get_running_loop()
    is_late = False
    timer: asyncio.TimerHandle

    def tick(due_at: float) -> None:
        nonlocal is_late, timer
        is_late = is_late or loop.time() - due_at > LATE_SECONDS
        timer = start()

    def start() -> asyncio.TimerHandle:
        due_at = loop.time() + LATE_SECONDS
        return loop.call_at(due_at, tick, due_at)

    timer = start()
    try:
        yield lambda: is_late
    finally:
        timer.cancel()
