"""Batches: one commit, or one answer of a broker, costs as much for many items as for one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Returns a result for each item.
Write = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]

# Others wait for the rows that a batch has locked.
MAX_BATCH = 20


class Batches(Generic[Item, Result]):
    """A batch takes the items that arrived while the last one was written: nobody waits for it."""

    def __init__(self, write: Write[Item, Result]) -> None:
        self._write = write
        self._waiting: dict[asyncio.Future[Result], Item] = {}
        self._writing: asyncio.Task[None] | None = None

    async def join(self, item: Item) -> Result:
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[written] = item
        if self._writing is None or self._writing.done():
            # A batch belongs to no single trace.
            self._writing = asyncio.create_task(self._write_all(), context=Context())
        try:
            return await written
        finally:
            self._waiting.pop(written, None)

    async def _write_all(self) -> None:
        while self._waiting:
            asked = list(self._waiting.items())[:MAX_BATCH]
            for written, _ in asked:
                del self._waiting[written]
            await self._write_batch(asked)

    async def _write_batch(self, asked: Sequence[tuple[asyncio.Future[Result], Item]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._write([item for _, item in asked])
        except Exception as error:
            results = [error for _ in asked]
        for (written, _), result in zip(asked, results, strict=True):
            if written.done():
                continue  # cancelled meanwhile
            if isinstance(result, Exception):
                written.set_exception(result)
            else:
                written.set_result(result)
