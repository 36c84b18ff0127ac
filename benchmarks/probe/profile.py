"""Says which package computes for how long in a request and in a job, without server and engine.

python -m app.probe.profile FOLDER DATABASE_URL: where the lean app is, and its database.
"""

import asyncio
import cProfile
import json
import os
import pstats
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from app.db import open_database
from app.jobs.perform import perform
from app.main import app
from app.probe import tasks
from app.probe.calls import SilentRelay, post_user
from app.settings import get_settings
from app.uow import unit_of_work

COUNT = 200
ROUNDS = 5
AT_ONCE = 10
PACKAGES = Path(sysconfig.get_paths()["purelib"])
STANDARD = Path(sysconfig.get_paths()["stdlib"])
OWN = Path(__file__).parent.parent


def package_of(file: str) -> str:
    path = Path(file)
    for folder in (PACKAGES, STANDARD):
        if path.is_relative_to(folder):
            name = path.relative_to(folder).parts[0].removesuffix(".py")
            return name if folder == PACKAGES else f"Python: {name}"
    if path.is_relative_to(OWN) or path.name == "lean.py":
        return "the app's own code"
    return "what is compiled at run time"


async def profiled(call: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Microseconds of CPU per call; what is compiled counts for its caller."""
    await call()
    profile = cProfile.Profile(time.thread_time, builtins=False)
    whole, own = time.process_time(), time.thread_time()
    profile.enable()
    for _ in range(COUNT):
        await call()
    profile.disable()
    own = time.thread_time() - own
    whole = time.process_time() - whole
    found = Counter[str]()
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, _, _), (_, _, seconds, _, _) in stats.items():
        found[package_of(file)] += seconds
    # The profiler makes all of it slower: shares are its own, the sum is not.
    share = await unprofiled(call) / (found.total() + whole - own)
    found["other threads"] = whole - own
    return {name: seconds * share * 1e6 for name, seconds in condensed(found).items()}


async def unprofiled(call: Callable[[], Awaitable[object]]) -> float:
    """The least of some rounds: what else goes on adds to it."""
    count, rounds = COUNT // ROUNDS, []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(count):
            await call()
        rounds.append((time.process_time() - began) / count)
    return min(rounds)


def condensed(found: Counter[str]) -> dict[str, float]:
    """What takes less than a fiftieth is all one."""
    least = found.total() / 50
    large = {name: seconds for name, seconds in found.most_common() if seconds >= least}
    return large | {"everything else": found.total() - sum(large.values())}


async def main(folder: str, lean_database: str) -> None:
    async with open_database(get_settings().database_url) as database:
        state = {"database": database, "relay": SilentRelay()}
        request = await profiled(partial(post_user, app, state))

        async def run_job() -> None:
            await perform(database, ids.pop())

        async def run_ten() -> None:
            await asyncio.gather(*(run_job() for _ in range(AT_ONCE)))

        async with unit_of_work(database, get_settings().jobs_lease) as uow:
            for _ in range((2 * COUNT + 1) * (1 + AT_ONCE)):
                uow.enqueue(tasks.asynchronous, time.time(), 0)
        ids = [job.id for job in uow.jobs]
        job = await profiled(run_job)
        ten_jobs = await profiled(run_ten)
    sys.path.append(folder)
    os.environ["DATABASE_URL"] = lean_database
    lean = import_module("lean")
    async with lean.lifespan(lean.app):
        lean_request = await profiled(partial(post_user, lean.app, {}))
    found = {
        "POST /users": request,
        "POST /users, lean app": lean_request,
        "no-op job": job,
        "no-op job of ten at a time": {name: each / AT_ONCE for name, each in ten_jobs.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
