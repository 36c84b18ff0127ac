"""The database is restarted, locked or full while users register and jobs run."""

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

# Raises the error of a full disk for every write of a job.
FILL = (
    "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
    "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON jobs EXECUTE FUNCTION no_room()",
)
MAKE_ROOM = ("DROP TRIGGER no_room ON jobs",)


def check_recovery(storm: Storm, cell: Recorder, *allowed: int, more: str = "") -> None:
    """After the storm: clients got a clear status, and every job of a response has succeeded."""
    took = storm.wait_until_over(RECOVERY_SECONDS)
    assert set(storm.statuses) <= {201, *allowed}
    tracebacks = sum(process.logged("Traceback") for process in storm.service.processes)
    # There may be more jobs than in responses: a commit can succeed although its response is lost.
    audit = audited(storm.service, storm.service.count())
    cell(
        audit,
        storm.responses(),
        storm.restarted(),
        f"{tracebacks} tracebacks in the logs",
        f"all jobs had succeeded {took:.1f} s after the fault",
        *filter(None, [more]),
    )


def answered(storm: Storm, status: int, more: int = 0) -> Callable[[], bool]:
    least = storm.statuses[status] + more
    return lambda: storm.statuses[status] >= least


@fault(
    "PostgreSQL is restarted three times under load: fast shutdown, immediate shutdown, `kill -9`",
    promise="requests get 503 while it is down; then the service recovers by itself",
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
        check_recovery(storm, cell, 503)
    finally:
        service.stop()


@fault(
    "Another process holds SQLite's write lock for 3 s under load",
    promise="writes wait, and no request fails",
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
    check_recovery(storm, cell)


@fault(
    "The database is full for 5 s under load (SQLite: `PRAGMA max_page_count`; "
    "PostgreSQL: a trigger raises the error of a full disk)",
    promise="writes get 507 while it is full, and reads work; then the service recovers by itself",
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
    check_recovery(storm, cell, 507)
