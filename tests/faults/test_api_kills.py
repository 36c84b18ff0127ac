"""API processes that are killed around the commit of what they have accepted."""

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
    "The API is killed (`kill -9`) after its commit, before it sends a job, after it has sent one",
    promise="what was committed runs, even if the client never got its answer",
)
@on_every_engine_by_turns
def test_api_killed_between_commit_and_send(service: Service, cell: Recorder) -> None:
    places = ["after_commit", "before_send", "after_send"]
    acknowledged = 0
    for place in places:
        # Else its relay might come by there first, with a job of the user before.
        until("a quiet service", 180, service.all_succeeded)
        service.death.write_text(f"{place} 0")
        with suppress(*NO_ANSWER):
            acknowledged += service.register(place)[0] == 201
        until(f"death {place}", 180, partial(is_dead, service))
        service.start()
    took = until("success of all", RECOVERY_SECONDS, service.all_succeeded)
    assert service.call("GET", "/users")[1]["total"] == len(places)
    cell(
        audited(service, 2 * len(places)),
        f"{acknowledged} of {len(places)} clients had their answer",
        f"all had succeeded {took:.1f} s after the last restart",
    )


@fault(
    "The API is killed (`kill -9`) six times while its relay sends 300 jobs",
    promise="every job runs",
)
@on_every_engine
def test_api_killed_while_its_relay_sends(service: Service, cell: Recorder) -> None:
    count = 300
    service.enqueue(count, 0.05)
    for place in ["before_send", "after_send"] * 3:
        service.death.write_text(f"{place} {random.randint(10, 30)}")
        until(f"death {place}", 180, partial(is_dead, service))
        service.start()
    took = until("success of all", RECOVERY_SECONDS, service.all_succeeded)
    cell(audited(service, count), f"all had succeeded {took:.1f} s after the last restart")


@fault(
    "One of two APIs is killed (`kill -9`) five times while users are registered at both",
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
        took = until("success of all", RECOVERY_SECONDS, service.all_succeeded)
        assert {service.read(job)["status"] for job in clients.promised} == {"succeeded"}
        cell(
            audited(service, service.count()),
            f"{len(clients.promised):,} of them were promised to clients",
            f"all had succeeded {took:.1f} s after the last restart",
        )
