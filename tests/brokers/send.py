"""Runs in a rendered project: sends the id of one job for each line of its input."""

import asyncio
import sys
import uuid
from types import SimpleNamespace

from app.engine import connect


async def main() -> None:
    async with connect(None) as engine:
        while await asyncio.to_thread(sys.stdin.readline):
            try:
                await engine.send([SimpleNamespace(id=uuid.uuid4(), queue="default")])
                print("sent", flush=True)
            except Exception as error:
                print(repr(error), flush=True)


asyncio.run(main())
