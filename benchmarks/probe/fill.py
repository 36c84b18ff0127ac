"""Fills the ledger with jobs that have ended: python -m app.probe.fill COUNT"""

import asyncio
import sys

from sqlalchemy import text

from app.db import open_database
from app.probe.many import MANY
from app.settings import get_settings

# What the database would do by itself in the next minutes, while something is measured.
TIDY = {
    "postgresql": ("VACUUM (ANALYZE) jobs", "CHECKPOINT"),
    "sqlite": ("PRAGMA wal_checkpoint(TRUNCATE)",),
}


async def main(count: int) -> None:
    async with open_database(get_settings().database_url) as database:
        dialect = database.engine.dialect.name
        async with database.write.begin() as session:
            await session.execute(text(MANY[dialect]), {"n": count})
        async with database.read() as session:
            for statement in TIDY[dialect]:
                await session.execute(text(statement))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
