"""Scheduled tasks, with many processes that could start them."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from matrix import fault, on_every_engine_by_turns
from process import until
from report import Recorder
from service import Service, running

pytestmark = pytest.mark.slow

PERIOD = 2
WINDOW = 30
MISSED = 4


@pytest.fixture
def busy_service(project: Path, tmp_path: Path) -> Iterator[Service]:
    settings = {"PROBE_TICK_SECONDS": str(PERIOD)}
    with running(project, tmp_path, webs=3, workers=2, **settings) as service:
        yield service


def due_times(service: Service) -> list[float]:
    """The due times of the scheduled jobs, in order."""
    code, page = service.call("GET", "/jobs?task=tick&status=succeeded&limit=100")
    assert code == 200
    return sorted(datetime.fromisoformat(job["run_at"]).timestamp() for job in page["items"])


def keeps_pace(due: list[float]) -> bool:
    return len(due) > 2 and due[-1] - due[-3] == 2 * PERIOD


def runs(service: Service) -> int:
    return service.notes.read_text().count("ticked") if service.notes.exists() else 0


@fault(
    f"A task is scheduled every {PERIOD} s, with three web processes and two workers",
    promise=f"in {WINDOW} s it runs {WINDOW // PERIOD} times, plus or minus one, once per due time",
)
@on_every_engine_by_turns
def test_schedule_side_by_side(busy_service: Service, cell: Recorder) -> None:
    # The workers need some time to start.
    until("a run at each due time", 60, lambda: keeps_pace(due_times(busy_service)))
    begin = due_times(busy_service)[-1]
    until("all runs", 2 * WINDOW, lambda: due_times(busy_service)[-1] >= begin + WINDOW)
    due = due_times(busy_service)
    within = [moment for moment in due if begin <= moment < begin + WINDOW]
    assert len(set(due)) == len(due)
    assert {moment % PERIOD for moment in due} == {0}
    assert abs(len(within) - WINDOW // PERIOD) <= 1
    assert runs(busy_service) - len(due_times(busy_service)) <= 1  # one may be running
    cell(f"{len(within)} runs in {WINDOW} s, none twice")


@fault(
    f"All processes are down for {MISSED} due times of a schedule",
    promise="a single run makes up for the missed ones, and the next run is on time",
)
@on_every_engine_by_turns
def test_schedule_missed(busy_service: Service, cell: Recorder) -> None:
    until("the first run", 60, lambda: bool(due_times(busy_service)))
    last = due_times(busy_service)[-1]
    for process in busy_service.processes:
        process.stop()
    killed_at = time.time()
    until("due times", 60, lambda: time.time() > killed_at + MISSED * PERIOD)
    started_at = time.time()
    busy_service.start()
    until("the next run", 60, lambda: due_times(busy_service)[-1] > started_at)
    due = due_times(busy_service)
    made_up = [moment for moment in due if last < moment < started_at]
    assert len(set(due)) == len(due)
    assert len(made_up) == 1
    cell(f"{len(made_up)} run for {MISSED} due times")
