"""Prints the plan and the time of each query, with the given number of finished jobs."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

from sqlalchemy import Engine, event, select, text

from app.database import Database, open_database, utc_now
from app.database.migrations import migrate
from app.jobs import Job, Status, unit_of_work
from app.jobs.housekeeping import prune_jobs
from app.jobs.runtime import Relay, perform
from app.probe.many import MANY, STATISTICS
from app.settings import get_settings
from app.users.tasks import write_audit_log
from app.web.jobs import JobFilter, list_jobs

EXPLAIN = {"postgresql": "EXPLAIN (COSTS OFF)", "sqlite": "EXPLAIN QUERY PLAN"}


class SilentEngine:
    async def send(self, jobs: Sequence[Job]) -> None: ...

    async def waiting(self, _: str) -> int:
        return 0


heard: dict[str, tuple[Any, float]] = {}
begun = 0.0


@event.listens_for(Engine, "before_cursor_execute")
def begin(*_: object) -> None:
    global begun
    begun = time.perf_counter()


@event.listens_for(Engine, "after_cursor_execute")
def end(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
    if "jobs" in statement and not statement.startswith("INSERT"):
        heard[statement] = (parameters, time.perf_counter() - begun)


async def fill(database: Database, count: int) -> None:
    dialect = database.engine.dialect.name
    async with database.write.begin() as session:
        await session.execute(text(MANY[dialect]), {"n": count})
        tasks = set(await session.scalars(select(Job.task).distinct()))
        assert tasks >= {f"task_{number}" for number in range(10)}, tasks
        moments = [utc_now() + timedelta(hours=hours) for hours in (-2, -1, 1)]
        for run_at, lease_until, status in product(
            moments, [None, *moments], (Status.QUEUED, Status.RUNNING)
        ):
            if lease_until or status is Status.QUEUED:
                for _ in range(10):
                    job = write_audit_log.job("event", "subject")
                    job.run_at, job.lease_until, job.status = run_at, lease_until, status
                    session.add(job)
        await session.flush()
        await session.execute(text(STATISTICS[dialect]))


async def relay_once(database: Database) -> None:
    await Relay(database, SilentEngine()).relay()


async def run_a_job(database: Database) -> None:
    async with unit_of_work(database) as uow:
        job = uow.enqueue(write_audit_log, "event", "subject")
    await perform(database, job.id)


async def prune(database: Database) -> None:
    async with unit_of_work(database) as uow:
        await prune_jobs(uow)


async def list_newest(database: Database, **wanted: Any) -> None:
    async with database.read() as session:
        await list_jobs(session, JobFilter(**wanted))


STEPS: dict[str, Callable[[Database], Awaitable[None]]] = {
    "relay": relay_once,
    "perform": run_a_job,
    "prune": prune,
    "list": list_newest,
    **{f"list {status}": partial(list_newest, status=status) for status in Status},
    "list one task": partial(list_newest, task="write_audit_log"),
    "list failed of one task": partial(list_newest, task="task_0", status=Status.FAILED),
}


async def explained(database: Database, statement: str, parameters: Any) -> list[str]:
    async with database.read() as session:
        connection = await session.connection()
        how = EXPLAIN[connection.dialect.name]
        plan = await connection.exec_driver_sql(f"{how} {statement}", parameters)
        return [row[-1] for row in plan]


async def main(count: int) -> None:
    await migrate()
    found = []
    async with open_database(get_settings().database_url) as database:
        await fill(database, count)
        for name, step in STEPS.items():
            heard.clear()
            # The first run warms up, and does the work that is not repeated in the second.
            for _ in range(2):
                await step(database)
            for statement, (parameters, seconds) in [*heard.items()]:
                plan = await explained(database, statement, parameters)
                query = " ".join(statement.split())
                found.append({"step": name, "query": query, "seconds": seconds, "plan": plan})
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
