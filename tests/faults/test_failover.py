"""A standby of PostgreSQL takes over, and PostgreSQL is restarted behind PgBouncer."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from failover import ReplicatedService
from matrix import fault, on_postgresql_by_kind
from pgbouncer import ServiceBehindPgBouncer
from process import until
from report import Recorder
from service import Service
from storm import Storm
from test_database_storms import answered, check_recovery

pytestmark = pytest.mark.slow

PROMISED_SECONDS = 30


@contextmanager
def started(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        service.stop()


def is_read_only(service: Service) -> bool:
    status, answer = service.call("GET", "/health/ready")
    return (status, answer["database"]) == (503, "read-only")


@fault(
    "A planned failover under load: PostgreSQL's primary turns read-only and stays up, its standby "
    "is promoted, and the address moves",
    promise="requests get 503 meanwhile; within 30 s the service uses the new primary by itself",
    elsewhere="not tried: the engine does not matter",
)
@on_postgresql_by_kind
def test_planned_failover(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = ReplicatedService(project, tmp_path)
    with started(service):
        service.enqueue(40, 2)
        with Storm(service) as storm:
            until("answers", 120, answered(storm, 201, more=10))
            service.freeze()
            until("refusals", 120, answered(storm, 503, more=5))
            until("the health check to say so", 60, lambda: is_read_only(service))
            service.promote()
            took = until("answers", PROMISED_SECONDS, answered(storm, 201, more=1))
            until("answers", 120, answered(storm, 201, more=10))
            assert service.answers("/health/ready")
        check_recovery(storm, cell, 503, more=f"users could register again after {took:.1f} s")


@fault(
    "An unplanned failover under load: PostgreSQL's primary is killed (`kill -9`), and its standby "
    "is promoted; `DATABASE_URL` names both",
    promise="requests get 503 meanwhile; within 30 s the service uses the new primary by itself",
    elsewhere="not tried: the engine does not matter",
)
@on_postgresql_by_kind
def test_unplanned_failover(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = ReplicatedService(project, tmp_path)
    service.name_both()
    with started(service):
        service.enqueue(40, 2)
        with Storm(service) as storm:
            until("answers", 120, answered(storm, 201, more=10))
            service.crash()
            until("refusals", 120, answered(storm, 503, more=5))
            service.promote()
            took = until("answers", PROMISED_SECONDS, answered(storm, 201, more=1))
            until("answers", 120, answered(storm, 201, more=10))
            assert service.answers("/health/ready")
        check_recovery(storm, cell, 503, more=f"users could register again after {took:.1f} s")


@fault(
    "PostgreSQL is restarted twice behind a PgBouncer in transaction mode, under load",
    promise="requests get 503 while it is down; then the service recovers by itself",
    elsewhere="not tried: the engine does not matter",
)
@on_postgresql_by_kind
def test_restarted_behind_pgbouncer(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = ServiceBehindPgBouncer(project, tmp_path, webs=2)
    with started(service):
        service.enqueue(40, 2)
        with Storm(service) as storm:
            for how in (signal.SIGINT, signal.SIGKILL):
                until("answers", 120, answered(storm, 201, more=10))
                service.postgres.stop(how)
                until("refusals", 120, answered(storm, 503, more=5))
                service.postgres.start()
            until("answers", 120, answered(storm, 201, more=10))
        check_recovery(storm, cell, 503)
