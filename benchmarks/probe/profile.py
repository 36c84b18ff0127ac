"""Says which package computes for how long in a request and in a job, without server and engine."""

import asyncio
import cProfile
import json
import pstats
import sysconfig
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from app.db import Database, open_database
from app.jobs import Job
from app.jobs.perform import perform
from app.main import app
from app.probe import tasks
from app.settings import get_settings
from app.uow import unit_of_work

COUNT = 200
PACKAGES = Path(sysconfig.get_paths()["purelib"])
STANDARD = Path(sysconfig.get_paths()["stdlib"])
OWN = Path(__file__).parent.parent


class SilentRelay:
    async def hand_over(self, jobs: list[Job]) -> None: ...


def package_of(file: str) -> str:
    path = Path(file)
    for folder in (PACKAGES, STANDARD):
        if path.is_relative_to(folder):
            name = path.relative_to(folder).parts[0].removesuffix(".py")
            return name if folder == PACKAGES else f"Python: {name}"
    return "app" if path.is_relative_to(OWN) else "what is compiled at run time"


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
    found["threads of the driver"] = whole - own
    return {name: seconds * share * 1e6 for name, seconds in condensed(found).items()}


async def unprofiled(call: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    for _ in range(COUNT):
        await call()
    return (time.process_time() - began) / COUNT


def condensed(found: Counter[str]) -> dict[str, float]:
    """What takes less than a fiftieth is all one."""
    least = found.total() / 50
    large = {name: seconds for name, seconds in found.most_common() if seconds >= least}
    return large | {"everything else": found.total() - sum(large.values())}


async def post_user(database: Database) -> None:
    """As the server would call the app."""
    user = {"email": f"{uuid.uuid4().hex}@example.com", "full_name": "Ada"}
    body = json.dumps(user).encode()
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/users",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "state": {"database": database, "relay": SilentRelay()},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 201) == 201, message

    await app(scope, receive, send)


async def main() -> None:
    async with open_database(get_settings().database_url) as database:

        async def post() -> None:
            await post_user(database)

        async def run_job() -> None:
            await perform(database, ids.pop())

        request = await profiled(post)
        async with unit_of_work(database, get_settings().jobs_lease) as uow:
            for _ in range(2 * COUNT + 1):
                uow.enqueue(tasks.asynchronous, time.time(), 0)
        ids = [job.id for job in uow.jobs]
        found = {"POST /users": request, "no-op job": await profiled(run_job)}
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
