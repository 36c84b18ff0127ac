"""The broker is stopped, emptied, missing, or full."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from audit import audited, counts
from matrix import NO_BROKER, fault, on_every_broker, on_every_broker_by_turns
from process import until
from report import Recorder
from service import Service, timed_registration

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 300
# Far more than a response takes on a busy machine, far less than a client without a timeout waits.
MEDIAN_ANSWER = 5


@fault(
    "2,000 jobs wait for longer than a lease",
    promise="the broker holds at most 1.2 messages per waiting job",
    elsewhere=NO_BROKER,
)
@on_every_broker
@pytest.mark.long
def test_a_healthy_backlog(service: Service, cell: Recorder) -> None:
    service.enqueue(2000, 1)
    until("messages of all jobs", 240, lambda: service.messages() > 0.9 * service.count("queued"))
    worst = 0.0
    started = time.monotonic()
    # Four leases, so that the relay looks for lost jobs several times.
    while time.monotonic() - started < 45:
        queued = service.count("queued")
        worst = max(worst, service.messages() / queued)
        time.sleep(0.5)
    assert worst <= 1.2
    cell(f"{worst:.3f} messages per waiting job at most")


@fault(
    "Redis is stopped for 20 s while 10 users a second register",
    promise="requests are answered immediately, and their jobs run when Redis is back",
    elsewhere=NO_BROKER,
)
@on_every_broker_by_turns
def test_redis_stopped(service: Service, cell: Recorder) -> None:
    service.register("first")
    until("all jobs to succeed", 180, service.all_succeeded)
    service.broker.stop()
    with ThreadPoolExecutor(20) as pool:
        waiting = []
        for number in range(10 * 20):
            waiting.append(pool.submit(timed_registration, service, f"user{number}"))
            time.sleep(0.1)
        answers = [future.result() for future in waiting]
    service.broker.start()
    took = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
    seconds = sorted(seconds for _, seconds in answers)
    assert {status for status, _ in answers} == {201}
    assert seconds[len(seconds) // 2] < MEDIAN_ANSWER
    cell(
        audited(service, 2 * (len(answers) + 1)),
        f"responses took {seconds[len(seconds) // 2]:.3f} s, the slowest {seconds[-1]:.3f} s",
        f"all jobs had succeeded {took:.1f} s after Redis was back",
    )


@fault(
    "Redis loses all its data while it holds 100 waiting jobs",
    promise="every job runs",
    elsewhere=NO_BROKER,
)
@on_every_broker
def test_redis_emptied(service: Service, cell: Recorder) -> None:
    service.worker.stop()
    service.enqueue(100, 0.05)
    until("messages", 180, lambda: service.messages() >= 100)
    service.redis("FLUSHALL")
    service.worker.start()
    took = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
    audit = audited(service, 100)
    assert audit.started_again == 0
    cell(audit, f"all jobs had succeeded {took:.1f} s later")


@fault(
    "Redis is not running when the service starts",
    promise="the service starts, answers requests, and reports that the broker is missing",
    elsewhere=NO_BROKER,
)
@on_every_broker
def test_no_redis_at_the_start(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = Service(project, tmp_path)
    try:
        service.worker.start()
        service.web.start()
        up = until("the API", 180, lambda: service.answers("/health/live"))
        status, health = service.call("GET", "/health/ready")
        assert (status, health["broker"]) == (503, "does not answer")
        assert service.register("ada")[0] == 201
        until(
            "failed attempts of the worker",
            180,
            partial(service.worker.has_logged, "is unavailable", times=3),
        )
        assert service.worker.is_running
        service.broker.start()
        healed = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
        cell(
            audited(service, 2),
            f"the API answered after {up:.1f} s",
            f"all jobs had succeeded {healed:.1f} s after Redis was started",
        )
    finally:
        service.stop()
    assert counts(service, "started").total() == 0
