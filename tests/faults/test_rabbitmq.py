"""RabbitMQ instead of Redis, selected by BROKER_URL, on the engines that support it."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from audit import audited, has_finished
from matrix import ON_FIRST_DATABASE, fault, on, takes_rabbitmq
from process import until
from rabbitmq import RabbitMQ, running_rabbitmq
from report import Recorder
from service import Service, timed_registration

with_rabbitmq = on([answers for answers in ON_FIRST_DATABASE if takes_rabbitmq(answers)])
ELSEWHERE = "this engine does not support RabbitMQ"


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with running_rabbitmq() as broker:
        yield broker


@pytest.fixture
def service(project: Path, tmp_path: Path, rabbitmq: RabbitMQ) -> Iterator[Service]:
    # The Procfile does not start this broker.
    service = Service(project, tmp_path, BROKER_URL=rabbitmq.url, JOBS_QUEUE=tmp_path.name)
    service.broker = None
    try:
        service.start()
        yield service
    finally:
        service.stop()


@fault(
    "The worker is killed (`kill -9`) three times while it runs 200 jobs from RabbitMQ",
    promise="every job runs",
    elsewhere=ELSEWHERE,
)
@with_rabbitmq
def test_kills_with_rabbitmq(service: Service, cell: Recorder) -> None:
    service.enqueue(200, 0.05)
    for finished in (20, 80, 140):
        until("progress", 180, partial(has_finished, service, finished))
        service.worker.stop()
        service.worker.start()
    took = until("all jobs to succeed", 300, service.all_succeeded)
    cell(audited(service, 200), f"all jobs had succeeded {took:.1f} s after the last restart")


@fault(
    "RabbitMQ is frozen (SIGSTOP) for 10 s while 20 users a second register",
    promise="requests are answered immediately, and their jobs run afterwards",
    elsewhere=ELSEWHERE,
)
@with_rabbitmq
@pytest.mark.slow
def test_rabbitmq_frozen(service: Service, rabbitmq: RabbitMQ, cell: Recorder) -> None:
    rabbitmq.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(20) as pool:
            answers = []
            for number in range(200):
                answers.append(pool.submit(timed_registration, service, f"user{number}"))
                time.sleep(0.05)
        health = service.call("GET", "/health/ready")
    finally:
        rabbitmq.send_signal(signal.SIGCONT)
    took = until("all jobs to succeed", 300, service.all_succeeded)
    seconds = sorted(answer.result()[1] for answer in answers)
    assert {answer.result()[0] for answer in answers} == {201}
    assert seconds[len(seconds) // 2] < 5
    assert (health[0], health[1]["broker"]) == (503, "does not answer")
    cell(
        audited(service, 2 * len(answers)),
        f"responses took {seconds[len(seconds) // 2]:.3f} s, the slowest {seconds[-1]:.3f} s",
        f"all jobs had succeeded {took:.1f} s after RabbitMQ continued",
    )
