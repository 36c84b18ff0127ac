"""Messages that no worker understands, and messages that are delivered too often."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from audit import audited
from checks import UV
from matrix import NO_BROKER, fault, on_every_broker, on_every_engine
from process import until
from report import Recorder
from service import Service, running

CORRUPT = Path(__file__).with_name("corrupt.py")
HEALTHY = 20


@fault(
    "The queue contains garbage, a corrupted message, an id without a job, and an invalid id",
    promise="each is logged and removed; the worker continues; jobs with a corrupted message run",
    elsewhere=NO_BROKER,
)
@on_every_broker
def test_garbage_on_the_queue(service: Service, cell: Recorder) -> None:
    service.worker.stop()
    spoilt = service.enqueue(3, 0.05)
    until("messages", 180, lambda: service.messages() >= 3)
    url, queue = service.environment["REDIS_URL"], service.project.name
    corrupt = [UV, "run", "python", str(CORRUPT), url, queue, *spoilt]
    subprocess.run(corrupt, cwd=service.project, env=service.environment, check=True)
    service.enqueue(HEALTHY, 0.05, first=3)
    service.worker.start()
    until("the healthy jobs to succeed", 180, lambda: service.count("succeeded") >= HEALTHY)
    took = until("all jobs to succeed", 300, service.all_succeeded)
    assert service.worker.is_running
    assert service.worker.has_logged("there is no such job")
    cell(audited(service, 3 + HEALTHY), f"jobs with a corrupted message had run {took:.1f} s later")


@fault(
    "Each of ten jobs is delivered 50 times at once, by two API processes to two workers",
    promise="each job runs once",
)
@on_every_engine
@pytest.mark.slow
def test_fifty_deliveries(project: Path, tmp_path: Path, cell: Recorder) -> None:
    with running(project, tmp_path, webs=2, workers=2) as service:
        jobs = service.enqueue(10, 0.5, sender="nobody")
        copies = {"ids": jobs, "times": 25}
        with ThreadPoolExecutor() as pool:
            sent = pool.map(
                lambda url: service.call("POST", "/deliveries", copies, url), service.urls
            )
            assert {status for status, _ in sent} == {200}
        until("all jobs to succeed", 300, service.all_succeeded)
        until("an empty queue", 300, lambda: service.broker is None or service.messages() == 0)
        audit = audited(service, len(jobs))
        assert set(audit.starts.values()) == {1}
        assert {service.read(job)["attempts"] for job in jobs} == {1}
    cell(audit, f"{50 * len(jobs)} deliveries")
