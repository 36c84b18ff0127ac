"""What a job of 50 ms waits for, without any engine: python -m app.probe.waits

Milliseconds of each, one job after the other, and ten side by side.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.log import configure_logging
from app.probe import tasks
from app.rounds import Change, Item, Result
from app.settings import get_settings
from app.uow import unit_of_work

SECONDS = 0.05
ROUNDS = 20
NAMES = {"claim_unlocked": "claim", "succeed": "end"}


class TimedDatabase(Database):
    def __init__(self, database: Database) -> None:
        super().__init__(database.engine, database.engine)
        self.spent = Counter[str]()

    async def persist(
        self,
        change: Change[Item, Result],
        item: Item,
        patience: timedelta,
        *,
        is_shared: bool = True,
    ) -> Result:
        began = time.perf_counter()
        try:
            return await super().persist(change, item, patience, is_shared=is_shared)
        finally:
            self.spent[NAMES[change.__name__]] += time.perf_counter() - began


async def accepted(database: Database, count: int) -> list[Job]:
    async with unit_of_work(database, get_settings().jobs_lease) as uow:
        for _ in range(count):
            uow.enqueue(tasks.asynchronous, time.time(), SECONDS)
    return uow.jobs


async def performed(database: TimedDatabase, jobs: Iterator[Job]) -> None:
    for job in jobs:
        began = time.perf_counter()
        await perform(database, job.id)
        database.spent["all"] += time.perf_counter() - began


async def waits(database: TimedDatabase, at_once: int) -> dict[str, float]:
    count = at_once * ROUNDS
    jobs = iter(await accepted(database, count))
    database.spent.clear()
    await asyncio.gather(*(performed(database, jobs) for _ in range(at_once)))
    spent = {name: 1000 * seconds / count for name, seconds in database.spent.items()}
    return spent | {"work": 1000 * SECONDS}


async def main() -> None:
    configure_logging(get_settings())
    async with open_database(get_settings().database_url) as opened:
        database = TimedDatabase(opened)
        await waits(database, 1)
        print(json.dumps({"one": await waits(database, 1), "ten": await waits(database, 10)}))


if __name__ == "__main__":
    asyncio.run(main())
