"""Redis is emptied, hangs, is unreachable or out of memory while users register."""

import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from audit import audited
from matrix import NO_BROKER, fault, on_every_broker
from process import until
from report import Recorder
from service import Service
from storm import Storm

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 300
# More than a busy machine needs, and less than a request needs that waits for Redis repeatedly.
SLOWEST_MEDIAN = 5
PROMISE = "requests are answered immediately, and their jobs run afterwards"


def check_recovery(storm: Storm, cell: Recorder) -> None:
    """After the storm: no request failed or waited for Redis, and no job is lost."""
    took = storm.wait_until_over(RECOVERY_SECONDS)
    seconds = sorted(seconds for *_, seconds in storm.answers)
    assert set(storm.statuses) == {201}
    assert seconds[len(seconds) // 2] < SLOWEST_MEDIAN
    audit = audited(storm.service, len(storm.promised))
    cell(
        audit,
        storm.responses(),
        storm.restarted(),
        f"all jobs had succeeded {took:.1f} s after the fault",
    )


@fault(
    "Redis is killed (`kill -9`) under load and restarted without its data",
    promise=PROMISE,
    elsewhere=NO_BROKER,
)
@on_every_broker
def test_redis_restarted_empty(service: Service, cell: Recorder) -> None:
    with Storm(service) as storm:
        until("some load", 30, lambda: len(storm.promised) > 20)
        service.broker.stop()
        shutil.rmtree(service.redis_data / "appendonlydir")
        time.sleep(3)
        service.broker.start()
        time.sleep(3)
    check_recovery(storm, cell)


@fault("Redis is frozen (SIGSTOP) for 15 s under load", promise=PROMISE, elsewhere=NO_BROKER)
@on_every_broker
def test_redis_frozen(service: Service, cell: Recorder) -> None:
    with Storm(service) as storm:
        until("some load", 30, lambda: len(storm.promised) > 20)
        service.broker.send_signal(signal.SIGSTOP)
        time.sleep(15)
        service.broker.send_signal(signal.SIGCONT)
    check_recovery(storm, cell)


@fault(
    "Redis is out of memory (`maxmemory`, `noeviction`) for 10 s under load",
    promise=PROMISE,
    elsewhere=NO_BROKER,
)
@on_every_broker
def test_redis_out_of_memory(service: Service, cell: Recorder) -> None:
    with Storm(service) as storm:
        until("some load", 30, lambda: len(storm.promised) > 20)
        service.redis("CONFIG", "SET", "maxmemory", "1")
        time.sleep(10)
        assert int(service.redis("INFO", "errorstats").count("OOM")) > 0
        service.redis("CONFIG", "SET", "maxmemory", "0")
    check_recovery(storm, cell)


@contextmanager
def black_hole(port: int) -> Iterator[None]:
    """An address that accepts no connection: its queue is full, and others get no reply."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        try:
            yield
        finally:
            for one in waiting:
                one.close()


@fault(
    "The address of Redis drops every packet for 10 s, from the start of the service",
    promise=PROMISE,
    elsewhere=NO_BROKER,
)
@on_every_broker
def test_redis_unreachable(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = Service(project, tmp_path)
    try:
        with black_hole(service.redis_port):
            service.web.start()
            service.worker.start()
            until("the API", 60, partial(service.answers, "/health/live"))
            with Storm(service) as storm:
                time.sleep(10)
                status, health = service.call("GET", "/health/ready")
                assert (status, health["broker"]) == (503, "does not answer")
        service.broker.start()
        check_recovery(storm, cell)
    finally:
        service.stop()
