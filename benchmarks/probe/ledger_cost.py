"""What a job costs beyond its task, without any engine: python -m app.probe.ledger_cost ROUNDS"""

import asyncio
import json
import sys
import time
from collections import Counter

from sqlalchemy import Engine, event

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.log import configure_logging
from app.probe import tasks, work
from app.settings import get_settings
from app.uow import unit_of_work

COUNT = 100
updates = Counter[str]()


@event.listens_for(Engine, "after_cursor_execute")
def count_update(_: object, __: object, statement: str, *___: object) -> None:
    updates["all"] += "UPDATE jobs" in statement


async def accepted(database: Database) -> list[Job]:
    async with unit_of_work(database, get_settings().jobs_lease) as uow:
        for _ in range(COUNT):
            uow.enqueue(tasks.asynchronous, time.time(), 0)
    return uow.jobs


async def performed(database: Database) -> float:
    jobs = await accepted(database)
    updates.clear()
    began = time.process_time()
    for job in jobs:
        await perform(database, job.id)
    took = time.process_time() - began
    assert updates["all"] == 2 * COUNT, "a job is claimed and ended, each by one statement"
    return 1e6 * took / COUNT


async def called() -> float:
    began = time.process_time()
    for _ in range(COUNT):
        await work.asynchronous(time.time(), 0)
    return 1e6 * (time.process_time() - began) / COUNT


async def main(rounds: int) -> None:
    configure_logging(get_settings())
    found: dict[str, list[float]] = {"performed": [], "called": []}
    async with open_database(get_settings().database_url) as database:
        await performed(database)
        for _ in range(rounds):
            found["performed"].append(await performed(database))
            found["called"].append(await called())
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
