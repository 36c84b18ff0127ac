"""What a request and a job compute, read and write: python -m app.probe.touched DATABASE_URL ...

Of each database in turn; the least of some rounds: what else goes on adds to it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from sqlalchemy import text

from app.db import Database, open_database
from app.jobs.perform import perform
from app.main import app
from app.probe import tasks
from app.probe.calls import SilentRelay, call, post_user
from app.settings import Settings, get_settings
from app.uow import unit_of_work

ROUNDS = 10
COUNT = 100
AT_ONCE = 10
# The server counts what a connection did at its end.
CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
LOOKED_AT = """
    SELECT current_setting('block_size')::int * sum(
        heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)
    ) FROM pg_statio_user_tables
"""
LOGGED = "SELECT wal_bytes FROM pg_stat_wal"

Figures = dict[str, float]


async def moved(database: Database) -> Figures:
    """Bytes so far: of SQLite's files, or of the server's pages and its log."""
    async with database.read() as session:
        if database.engine.dialect.name == "sqlite":
            await session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            said = Path("/proc/self/io").read_text(encoding="ascii").split()
            return {"read": float(said[1]), "written": float(said[3])}
        await database.engine.dispose()
        while await session.scalar(text(CONNECTIONS)):
            await asyncio.sleep(0.01)
        read, written = [(await session.execute(text(q))).scalar_one() for q in (LOOKED_AT, LOGGED)]
        return {"read": float(read), "written": float(written)}


async def touched(database: Database, some: Callable[[], Awaitable[object]], of: int) -> Figures:
    """For each one, where so many are done by a call."""
    await some()
    before, began = await moved(database), time.process_time()
    for _ in range(COUNT // of):
        await some()
    seconds, after = time.process_time() - began, await moved(database)
    kib = {name: (after[name] - before[name]) / COUNT / 1024 for name in after}
    return {"cpu": 1e6 * seconds / COUNT, **kib}


async def round_of(database: Database, found: dict[str, list[Figures]]) -> None:
    state: dict[str, object] = {"database": database, "relay": SilentRelay()}
    async with unit_of_work(database, get_settings().jobs_lease) as uow:
        for _ in range(COUNT + AT_ONCE):
            uow.enqueue(tasks.asynchronous, time.time(), 0)
    ids = [job.id for job in uow.jobs]
    path = f"/jobs/{ids[0]}"

    async def run_ten() -> None:
        await asyncio.gather(*(perform(database, ids.pop()) for _ in range(AT_ONCE)))

    for what, some, of in (
        ("POST /users", partial(post_user, app, state), 1),
        ("GET /jobs/{id}", partial(call, app, state, "GET", path), 1),
        ("no-op job of ten at a time", run_ten, AT_ONCE),
    ):
        found.setdefault(what, []).append(await touched(database, some, of))


def least(rounds: list[Figures]) -> Figures:
    return {name: min(each[name] for each in rounds) for name in rounds[0]}


async def main(urls: list[str]) -> None:
    async with AsyncExitStack() as stack:
        understood = (Settings(database_url=url).database_url for url in urls)
        databases = [await stack.enter_async_context(open_database(url)) for url in understood]
        found: list[dict[str, list[Figures]]] = [{} for _ in urls]
        for _ in range(ROUNDS):
            for database, rounds in zip(databases, found, strict=True):
                await round_of(database, rounds)
    print(json.dumps([{what: least(every) for what, every in each.items()} for each in found]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
