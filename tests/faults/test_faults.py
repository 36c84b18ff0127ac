"""What breaks while jobs run: whatever was accepted, runs."""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from service import Process, Service, timed_registration, until
from template import ROOT, combinations, name_of

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 30

FRAGMENTS = ROOT / "templates" / "engines"
with_broker = pytest.mark.parametrize(
    "project",
    [
        answers
        for answers in combinations("engine", "database")
        if "redis:" in (FRAGMENTS / answers["engine"] / "Procfile").read_text(encoding="utf-8")
    ],
    ids=name_of,
    indirect=True,
    scope="session",
)
with_either_kind_of_task = pytest.mark.parametrize("task", ["probe", "blocking_probe"])


def test_a_user_is_registered_and_what_follows_succeeds(service: Service) -> None:
    status, answer = service.register("ada")
    assert status == 201
    assert {job["task"] for job in answer["jobs"]} == {"write_audit_log", "send_welcome_email"}
    until("success of both", 30, service.all_succeeded)


@with_either_kind_of_task
def test_a_worker_that_is_killed_three_times_loses_no_job(service: Service, task: str) -> None:
    count = 200
    service.enqueue(count, 0.05, task)
    for finished in sorted(random.sample(range(10, 180), 3)):
        until("progress", 60, partial(service.has_finished, finished))
        service.worker.stop()
        service.worker.start()
    until("the API", 20, lambda: service.answers("/health/live"))
    took = until("success of all", RECOVERY_SECONDS, service.all_succeeded)
    started, finished = service.counts("started"), service.counts("finished")
    print(f"\n{service.project.name} {task}: all succeeded {took:.1f} s after the last restart;")
    print(f"  started {started.total()} times, finished {finished.total()} times")
    print(f"  starts per job {per_job(started)}, finishes per job {per_job(finished)}")
    assert len(finished) == count


def per_job(counts: dict[str, int]) -> dict[int, int]:
    how_often = list(counts.values())
    return {times: how_often.count(times) for times in sorted(set(how_often))}


@with_broker
def test_a_healthy_backlog_is_not_multiplied(service: Service) -> None:
    count = 5000
    service.enqueue(count, 1)
    until("a full queue", 120, lambda: service.messages() > 0.9 * service.count("queued"))
    worst = 0.0
    started = time.monotonic()
    while time.monotonic() - started < 45:
        queued = service.count("queued")
        worst = max(worst, service.messages() / queued)
        time.sleep(0.5)
    print(f"\n{service.project.name}: {queued} still wait; messages per waiting job: {worst:.3f}")
    assert worst <= 1.2


@with_broker
def test_users_are_registered_while_the_broker_is_away(service: Service) -> None:
    service.register("first")
    until("success", 30, service.all_succeeded)
    service.broker.stop()
    with ThreadPoolExecutor(20) as pool:
        waiting = []
        for number in range(20 * 20):
            waiting.append(pool.submit(timed_registration, service, f"user{number}"))
            time.sleep(0.05)
        answers = [future.result() for future in waiting]
    service.broker.start()
    took = until("success of all", RECOVERY_SECONDS, service.all_succeeded)
    slowest = sorted(seconds for _, seconds in answers)
    print(f"\n{service.project.name}: all succeeded {took:.1f} s after the broker was back;")
    print(f"  slowest answers {slowest[-3:]}, median {slowest[len(slowest) // 2]:.3f}")
    assert {status for status, _ in answers} == {201}
    assert slowest[-1] < 0.5


@with_broker
def test_a_broker_that_is_emptied_loses_no_job(service: Service) -> None:
    service.worker.stop()
    service.enqueue(100, 0.05)
    until("messages", 30, lambda: service.messages() >= 100)
    service.redis("FLUSHALL")
    service.worker.start()
    took = until("success of all", 60, service.all_succeeded)
    print(f"\n{service.project.name}: all ran {took:.1f} s after the broker was emptied")
    assert service.counts("finished").total() == 100


@with_broker
def test_the_service_starts_and_serves_without_a_broker(project: Path, tmp_path: Path) -> None:
    service = Service(project, tmp_path)
    try:
        service.worker.start()
        service.web.start()
        took = until("the API", 15, lambda: service.answers("/health/live"))
        status, health = service.call("GET", "/health/ready")
        assert (status, health["broker"]) == (503, "does not answer")
        assert service.register("ada")[0] == 201
        until("three vain attempts", 30, partial(has_asked_in_vain, service.worker, times=3))
        assert service.worker.is_running
        service.broker.start()
        heals = until("success", RECOVERY_SECONDS, service.all_succeeded)
        print(f"\n{service.project.name}: up after {took:.1f} s without a broker, {health};")
        print(f"  jobs succeeded {heals:.1f} s after the broker was started")
    finally:
        service.stop()


def has_asked_in_vain(worker: Process, times: int) -> bool:
    return worker.log.read_text(encoding="utf-8").count("does not answer") >= times


@with_either_kind_of_task
def test_a_worker_that_is_asked_to_stop_finishes_its_job_and_takes_none(
    service: Service, task: str
) -> None:
    service.enqueue(30, 3, task)
    until("a start", 30, lambda: service.counts("started").total() > 0)
    service.worker.stop(signal.SIGTERM)
    started, finished = service.counts("started"), service.counts("finished")
    assert started == finished
    assert len(finished) < 30
    print(f"\n{service.project.name} {task}: {len(finished)} of 30 finished before it stopped")
    service.worker.start()
    until("success of all", 120, service.all_succeeded)
    assert set(service.counts("started").values()) == {1}
