"""Waiting for a condition."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what must come. Only a test that fails waits for long."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - a row in a database sets no event
            await asyncio.sleep(0.02)
