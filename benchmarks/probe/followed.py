"""Says what a request costs with what follows its response: python -m app.probe.followed"""

import asyncio
import json
from functools import partial

from app.db import open_database
from app.jobs.engine import connect
from app.jobs.relay import Relay
from app.main import app
from app.probe.calls import post_user
from app.probe.costs import profiled
from app.settings import get_settings


async def main() -> None:
    async with open_database(get_settings().database_url) as database, connect(database) as engine:
        state = {"database": database, "relay": Relay(database, engine)}
        found = await profiled({"whole": partial(post_user, app, state)})
    print(json.dumps(found["whole"]))


if __name__ == "__main__":
    asyncio.run(main())
