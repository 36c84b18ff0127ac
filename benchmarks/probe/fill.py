"""Fills the ledger with jobs that have ended: python -m app.probe.fill COUNT"""

import asyncio
import sys

from sqlalchemy import text

from app.db import open_database
from app.probe.many import MANY, STATISTICS
from app.settings import get_settings


async def main(count: int) -> None:
    async with open_database(get_settings().database_url) as database:
        dialect = database.engine.dialect.name
        async with database.write.begin() as session:
            await session.execute(text(MANY[dialect]), {"n": count})
            await session.execute(text(STATISTICS[dialect]))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
