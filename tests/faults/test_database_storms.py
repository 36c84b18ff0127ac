"""A database that is restarted, locked or full while users register and jobs run."""

import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from audit import audited
from matrix import fault, on_every_engine_by_turns, on_postgresql, on_sqlite
from postgres import ServiceOnPostgreSQL, execute
from process import until
from report import Recorder
from service import Service
from storm import Storm

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 300

# What the server says when its disk is full, said by every write of a job.
FILL = (
    "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
    "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON jobs EXECUTE FUNCTION no_room()",
)
MAKE_ROOM = ("DROP TRIGGER no_room ON jobs",)


def weathered(storm: Storm, cell: Recorder, *allowed: int) -> None:
    """After the storm: clients were told plainly, and what was promised to them was done."""
    took = storm.until_over(RECOVERY_SECONDS)
    assert set(storm.statuses) <= {201, *allowed}
    tracebacks = sum(process.logged("Traceback") for process in storm.service.processes)
    # More than was promised: a commit may have been made although its answer was lost.
    audit = audited(storm.service, storm.service.count())
    cell(
        audit,
        storm.said(),
        storm.survived(),
        f"{tracebacks} stack traces in the logs",
        f"all had succeeded {took:.1f} s after its end",
    )


def answered(storm: Storm, status: int, more: int = 0) -> Callable[[], bool]:
    least = storm.statuses[status] + more
    return lambda: storm.statuses[status] >= least


@fault(
    "PostgreSQL is restarted under load, three times: a fast shutdown, an immediate one, `kill -9`",
    promise="503 until it is back, then all goes on by itself",
)
@on_postgresql
def test_postgresql_restarted(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = ServiceOnPostgreSQL(project, tmp_path)
    try:
        service.start()
        service.enqueue(40, 2)
        with Storm(service) as storm:
            for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                until("answers", 120, answered(storm, 201, more=10))
                service.postgres.stop(how)
                until("refusals", 120, answered(storm, 503, more=5))
                service.postgres.start()
            until("answers", 120, answered(storm, 201, more=10))
        weathered(storm, cell, 503)
    finally:
        service.stop()


@fault(
    "Another process holds SQLite's lock for 3 s under load",
    promise="who writes waits, and nobody is refused",
)
@on_sqlite
def test_sqlite_locked(service: Service, cell: Recorder) -> None:
    file = service.environment["DATABASE_URL"].partition("///")[2]
    service.enqueue(20, 1)
    with Storm(service) as storm:
        until("answers", 120, answered(storm, 201, more=10))
        other = sqlite3.connect(file, timeout=60, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        other.close()
        until("answers", 120, answered(storm, 201, more=10))
    weathered(storm, cell)


@fault(
    "The database has no room left under load, for 5 s (SQLite: `PRAGMA max_page_count`; "
    "PostgreSQL: its error for a full disk, raised by a trigger)",
    promise="507 until there is room, reading goes on; then all goes on by itself",
)
@on_every_engine_by_turns
def test_database_full(service: Service, cell: Recorder) -> None:
    no_room = service.notes.with_name("no_room")
    on_disk = service.environment["DATABASE_URL"].startswith("sqlite")
    service.enqueue(20, 1)
    with Storm(service) as storm:
        until("answers", 120, answered(storm, 201, more=10))
        no_room.touch() if on_disk else [execute(service, statement) for statement in FILL]
        until("refusals", 120, answered(storm, 507, more=5))
        time.sleep(5)
        assert service.call("GET", "/users?limit=1")[0] == 200
        no_room.unlink() if on_disk else [execute(service, statement) for statement in MAKE_ROOM]
        until("answers", 120, answered(storm, 201, more=10))
    weathered(storm, cell, 507)
