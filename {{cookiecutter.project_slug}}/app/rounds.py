"""Writes at once what many ask for at once: a commit costs as much for one as for all."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Item = TypeVar("Item")
Result = TypeVar("Result")

# Tells what has become of each item; each of its statements is a transaction of its own.
Change = Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]

# Others wait for what a round has locked.
MOST_IN_A_ROUND = 20


class Rounds(Generic[Item, Result]):
    """A round takes what was asked for during the one before, so nobody waits to be joined."""

    def __init__(self, engine: AsyncEngine, change: Change[Item, Result]) -> None:
        self._engine = engine
        self._change = change
        self._waiting: dict[asyncio.Future[Result], Item] = {}
        self._writing: asyncio.Task[None] | None = None

    async def join(self, item: Item) -> Result:
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[written] = item
        if self._writing is None or self._writing.done():
            # What is written for many belongs to the trace of none.
            self._writing = asyncio.create_task(self._write_all(), context=Context())
        try:
            return await written
        finally:
            self._waiting.pop(written, None)

    async def _write_all(self) -> None:
        while self._waiting:
            asked = list(self._waiting.items())[:MOST_IN_A_ROUND]
            for written, _ in asked:
                del self._waiting[written]
            await self._write(asked)

    async def _write(self, asked: Sequence[tuple[asyncio.Future[Result], Item]]) -> None:
        results: Sequence[Result | Exception]
        try:
            async with self._engine.connect() as connection:
                results = await self._change(connection, [item for _, item in asked])
        except Exception as error:
            results = [error for _ in asked]
        for (written, _), result in zip(asked, results, strict=True):
            if written.done():
                continue  # nobody waits for it any more
            if isinstance(result, Exception):
                written.set_exception(result)
            else:
                written.set_result(result)
