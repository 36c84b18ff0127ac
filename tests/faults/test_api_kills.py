"""API processes are killed around the commit of jobs."""

import random
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from audit import audited
from clients import Clients
from matrix import fault, on_every_engine, on_every_engine_by_turns
from process import until
from report import Recorder
from service import NO_ANSWER, Service, running

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 300


def is_dead(service: Service) -> bool:
    return not service.death.exists() and not service.web.is_running


@fault(
    "An API process is killed (`kill -9`) after a commit, before and after it sends a job",
    promise="every committed job runs, even if the client got no response",
)
@on_every_engine_by_turns
def test_api_killed_between_commit_and_send(service: Service, cell: Recorder) -> None:
    places = ["after_commit", "before_send", "after_send"]
    acknowledged = 0
    for place in places:
        # Otherwise its relay could pass this place first, with a job of the previous user.
        until("a quiet service", 180, service.all_succeeded)
        service.death.write_text(f"{place} 0")
        with suppress(*NO_ANSWER):
            acknowledged += service.register(place)[0] == 201
        until(f"a crash at {place}", 180, partial(is_dead, service))
        service.start()
    took = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
    assert service.call("GET", "/users")[1]["total"] == len(places)
    cell(
        audited(service, 2 * len(places)),
        f"{acknowledged} of {len(places)} clients got a response",
        f"all jobs had succeeded {took:.1f} s after the last restart",
    )


@fault(
    "An API process is killed (`kill -9`) six times while its relay sends 600 jobs",
    promise="every job runs",
)
@on_every_engine
def test_api_killed_while_its_relay_sends(service: Service, cell: Recorder) -> None:
    count = 600
    service.enqueue(count, 0.05)
    for place in ["before_send", "after_send"] * 3:
        # A relay sends a batch at a time.
        service.death.write_text(f"{place} {random.randint(0, 2)}")
        until(f"a crash at {place}", 180, partial(is_dead, service))
        service.start()
    took = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
    cell(audited(service, count), f"all jobs had succeeded {took:.1f} s after the last restart")


@fault(
    "One of two API processes is killed (`kill -9`) five times while users register on both",
    promise="every job of an answered request runs",
)
@on_every_engine_by_turns
def test_api_killed_under_load(project: Path, tmp_path: Path, cell: Recorder) -> None:
    with running(project, tmp_path, webs=2) as service:
        with Clients(service, 4) as clients:
            for _ in range(5):
                promised = len(clients.promised) + random.randint(20, 60)
                until("progress", 300, partial(clients.have_been_promised, promised))
                victim = random.choice(service.webs)
                victim.stop()
                victim.start()
        service.start()
        took = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
        assert {service.read(job)["status"] for job in clients.promised} == {"succeeded"}
        cell(
            audited(service, service.count()),
            f"{len(clients.promised):,} of them were in responses to clients",
            f"all jobs had succeeded {took:.1f} s after the last restart",
        )
