"""Apps beside a service: the lean one, and what every app answers."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ports import free_port
from process import Process, until
from service import NO_ANSWER, OPENER

from benchmarks.machine import MEASURED, on
from benchmarks.services import MeasuredService

BARE = Path(__file__).parent / "bare"


@contextmanager
def lean_app(beside: MeasuredService, **settings: str) -> Iterator[str]:
    """Its URL, while it runs on a database of its own, of the same server."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = f"uv run uvicorn --app-dir {BARE} lean:app --port {port} --no-access-log"
    database = {"DATABASE_URL": beside.lean_database()}
    environment = beside.environment | database | settings
    process = Process(f"lean{port}", serve, beside.directory, environment)
    try:
        with on(MEASURED):
            process.start()
        until("the lean app", 60, lambda: answers(url))
        yield url
    finally:
        process.stop()


def answers(url: str) -> bool:
    with suppress(*NO_ANSWER):
        return read(f"{url}/open") is not None
    return False


def read(url: str) -> object:
    with OPENER.open(url, timeout=30) as response:
        return json.load(response)


def wait_for_work(url: str) -> float:
    """Return for how long some of it was open."""
    started = time.perf_counter()
    while read(f"{url}/open"):
        time.sleep(0.02)
    return time.perf_counter() - started
