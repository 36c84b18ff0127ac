"""Measures the pages and /metrics beside a million jobs, in an incident. Prints milliseconds.

python -m app.shop.measure [JOBS] [FAILED] [WAITING]
"""

import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx
from sqlalchemy import text

from app.database import Database, open_database
from app.database.migrations import migrate
from app.main import create_app
from app.settings import get_settings
from tests.support.client import client_of
from tests.support.database import running_server
from tests.support.fake_engine import FakeEngine

COLUMNS = """
    INSERT INTO jobs (
        id, task, queue, arguments, status, attempts, max_tries, run_at, is_follower,
        cancel_requested, failures, error, created_at, started_at, finished_at
    )
"""
VALUES = """
    'task_' || (n % 10), 'default', '{}',
    CASE WHEN n <= :waiting THEN 'queued'
         WHEN n <= :waiting + :failed THEN 'failed' ELSE 'succeeded' END,
    1, 5, at, false, false, '[]',
    CASE WHEN n > :waiting AND n <= :waiting + :failed
         THEN 'ConnectError: cannot connect to host ' || n END,
    at, at, CASE WHEN n > :waiting THEN at END
"""
# The newest ones wait, and those before have failed, within the last hour: 24 ms apart. All others
# are older.
FILL = {
    "postgresql": f"""
        {COLUMNS} SELECT gen_random_uuid(), {VALUES}
        FROM (SELECT n, now() - n * interval '24 milliseconds' AS at
              FROM generate_series(:jobs, 1, -1) n) many
    """,
    "sqlite": f"""
        {COLUMNS}
        WITH RECURSIVE numbers(n) AS (SELECT :jobs UNION ALL SELECT n - 1 FROM numbers WHERE n > 1)
        SELECT lower(hex(randomblob(16))), {VALUES}
        FROM (SELECT n, strftime('%Y-%m-%d %H:%M:%f000', 'now', (-0.024 * n) || ' seconds') AS at
              FROM numbers)
    """,
}
TABS = 10
TAB_SECONDS = 30


async def timed(client: httpx.AsyncClient, path: str) -> float:
    started = time.perf_counter()
    response = await client.get(path)
    took = (time.perf_counter() - started) * 1000
    assert response.status_code == 200, (path, response.status_code, response.text[:300])
    return took


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def server_cpu(database: Database) -> float:
    """Of PostgreSQL's processes for this service."""
    if database.engine.dialect.name == "sqlite":
        return 0
    async with database.read() as session:
        pids = await session.scalars(
            text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        )
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def measure(jobs: int = 1_000_000, failed: int = 100_000, waiting: int = 50_000) -> None:
    await migrate()
    async with open_database(get_settings().database_url) as database:
        dialect = database.engine.dialect.name
        counts = {"jobs": jobs, "failed": failed, "waiting": waiting}
        async with database.write.begin() as session:
            await session.execute(text(FILL[dialect]), counts)
        if dialect == "postgresql":
            async with database.read() as session:
                await session.execute(text("VACUUM ANALYZE jobs"))
        async with database.read() as session:
            ids = text("SELECT id FROM jobs WHERE status = 'failed' LIMIT 1 OFFSET :half")
            job = (await session.execute(ids, {"half": failed // 2})).scalar_one()
        app = create_app()
        async with client_of(app, database, FakeEngine()) as client:
            await timed(client, "/health/live")
            first = await timed(client, "/ops")
            times = []
            for _ in range(5):
                app.state.board.forget()
                times.append(await timed(client, "/ops"))
            print(f"{dialect}: overview: first {first:.0f}, then {statistics.median(times):.0f}")
            lists = ("", "?status=failed", "?status=queued", "?status=succeeded", "?task=task_3")
            rare = ("?status=failed&task=task_3", "?status=failed&task=none", "?queue=none")
            deep = (f"?status=failed&before={job}", f"?before={job}", "?status=running")
            for path in (*lists, *rare, *deep, f"/{job}"):
                times = [await timed(client, f"/ops/jobs{path}") for _ in range(6)]
                then = statistics.median(times[1:])
                print(f"  /ops/jobs{path}: first {times[0]:.0f}, then {then:.0f}")
            times = [await timed(client, "/metrics") for _ in range(4)]
            print(f"  /metrics: {' '.join(f'{each:.0f}' for each in times)}")
            before = own_cpu(), await server_cpu(database)
            looks = await asyncio.gather(*(tab(client) for _ in range(TABS)))
            used = own_cpu() - before[0], await server_cpu(database) - before[1]
            share = [f"{100 * each / TAB_SECONDS:.0f} %" for each in used]
            print(f"  {TABS} tabs, {sum(looks)} requests: {share[0]} of a core, server {share[1]}")


async def tab(client: httpx.AsyncClient) -> int:
    """What static/ops.js does."""
    looks = 0
    ends = time.perf_counter() + TAB_SECONDS
    while time.perf_counter() < ends:
        took = await timed(client, "/ops")
        looks += 1
        await asyncio.sleep(max(5, 10 * took / 1000))
    return looks


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        os.environ |= {"DATABASE_URL": server.create(), "DATABASE_STATEMENT_SECONDS": "600"}
        os.environ["LOG_LEVEL"] = "WARNING"
        get_settings.cache_clear()
        asyncio.run(measure(*map(int, sys.argv[1:])))
