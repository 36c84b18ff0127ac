"""Says which package computes for how long in a request and in a job, without server and engine.

python -m app.probe.profile FOLDER DATABASE_URL: where the lean app is, and its database.
"""

import asyncio
import json
import os
import sys
import time
from functools import partial
from importlib import import_module

from app.db import open_database
from app.jobs.perform import perform
from app.main import app
from app.probe import tasks
from app.probe.calls import SilentRelay, call, post_user
from app.probe.costs import CALLS, profiled
from app.settings import get_settings
from app.uow import unit_of_work

AT_ONCE = 10


async def main(folder: str, lean_database: str) -> None:
    settings = get_settings()
    sys.path.append(folder)
    os.environ["DATABASE_URL"] = lean_database
    lean = import_module("lean").app
    async with open_database(settings.database_url) as database, lean.router.lifespan_context(lean):
        state: dict[str, object] = {"database": database, "relay": SilentRelay()}
        user, lean_user = (await post_user(app, state))["id"], (await post_user(lean, {}))["id"]
        async with unit_of_work(database, settings.jobs_lease) as uow:
            for _ in range(CALLS * (1 + AT_ONCE)):
                uow.enqueue(tasks.asynchronous, time.time(), 0)
        ids = [job.id for job in uow.jobs]

        async def run_job() -> None:
            await perform(database, ids.pop())

        async def run_ten() -> None:
            await asyncio.gather(*(run_job() for _ in range(AT_ONCE)))

        found = await profiled(
            {
                "POST /users": partial(post_user, app, state),
                "POST /users, lean app": partial(post_user, lean, {}),
                "GET /users/{id}": partial(call, app, state, "GET", f"/users/{user}"),
                "GET /users/{id}, lean app": partial(call, lean, {}, "GET", f"/users/{lean_user}"),
                "no-op job": run_job,
                "no-op job of ten at a time": run_ten,
            }
        )
    ten = found["no-op job of ten at a time"]
    ten.update({name: each / AT_ONCE for name, each in ten.items()})
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
