"""Celery on another broker than Redis, named by BROKER_URL alone."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from rabbitmq import RabbitMQ, running_rabbitmq
from service import Service, timed_registration, until
from template import name_of

pytestmark = pytest.mark.slow

on_celery = pytest.mark.parametrize(
    "project",
    [{"engine": "celery", "database": "sqlite"}],
    ids=name_of,
    indirect=True,
    scope="session",
)


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    with running_rabbitmq() as broker:
        yield broker


@pytest.fixture
def service(project: Path, tmp_path: Path, rabbitmq: RabbitMQ) -> Iterator[Service]:
    # No process of the Procfile brings this broker.
    service = Service(project, tmp_path, BROKER_URL=rabbitmq.url, JOBS_QUEUE=tmp_path.name)
    service.broker = None
    try:
        service.start()
        yield service
    finally:
        service.stop()


@on_celery
def test_a_killed_worker_loses_no_job(service: Service) -> None:
    service.enqueue(200, 0.05)
    for finished in (20, 80, 140):
        until("progress", 60, partial(service.has_finished, finished))
        service.worker.stop()
        service.worker.start()
    took = until("success of all", 30, service.all_succeeded)
    print(f"\nRabbitMQ: all succeeded {took:.1f} s after the last restart")
    assert len(service.counts("finished")) == 200


@on_celery
def test_users_are_registered_while_the_broker_is_frozen(
    service: Service, rabbitmq: RabbitMQ
) -> None:
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
    took = until("success of all", 30, service.all_succeeded)
    slowest = max(answer.result()[1] for answer in answers)
    print(f"\nRabbitMQ: slowest answer {slowest:.3f} s, all succeeded {took:.1f} s after the thaw")
    assert {answer.result()[0] for answer in answers} == {201}
    assert slowest < 0.5
    assert (health[0], health[1]["broker"]) == (503, "does not answer")
