"""Compares the accepted jobs with the jobs table and with the notes of the tasks."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from service import Service


@dataclass
class Execution:
    number: str
    began: float
    # The time of its last note: a killed one writes no more.
    ended: float


@dataclass(frozen=True)
class Audit:
    accepted: int
    succeeded: int
    # With a reason in the list of jobs.
    failed: int
    starts: Counter[str]
    finishes: Counter[str]
    at_once: int

    @property
    def lost(self) -> int:
        return self.accepted - self.succeeded - self.failed

    @property
    def started_again(self) -> int:
        return sum(times > 1 for times in self.starts.values())

    @property
    def finished_twice(self) -> int:
        return sum(times > 1 for times in self.finishes.values())

    def __str__(self) -> str:
        parts = [f"{self.lost} of {self.accepted:,} lost"]
        if self.failed:
            parts.append(f"{self.failed:,} failed with a reason")
        if self.starts:
            parts.append(f"{self.started_again} started again")
            parts.append(f"{self.finished_twice} finished twice")
        return ", ".join(parts)


def audited(service: Service, accepted: int, *, may_overlap: bool = False) -> Audit:
    """Every accepted job has exactly one visible outcome, and no two processes ran it at once."""
    with_reason = [job for job in _failed(service) if job["error"]]
    executions = executions_in(service.notes)
    audit = Audit(
        accepted,
        service.count("succeeded"),
        len(with_reason),
        Counter(execution.number for execution in executions.values()),
        counts(service, "finished"),
        _at_once([*executions.values()]),
    )
    assert audit.lost == 0, f"{service.count()} in the jobs table: {audit}"
    assert may_overlap or audit.at_once == 0, f"two executions of a job overlapped: {audit}"
    return audit


def _failed(service: Service) -> list[dict[str, object]]:
    most = 100
    page = service.jobs("failed", limit=most)
    assert page["total"] <= most, f"more jobs failed than expected: {page['total']}"
    return list(page["items"])


def notes_of(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def counts(service: Service, event: str) -> Counter[str]:
    """How often each probe started or finished."""
    return Counter(number for name, number, *_ in notes_of(service.notes) if name == event)


def has_finished(service: Service, times: int) -> bool:
    return counts(service, "finished").total() >= times


def has_started(service: Service, times: int) -> bool:
    return counts(service, "started").total() >= times


def executions_in(file: Path) -> dict[str, Execution]:
    found: dict[str, Execution] = {}
    for _, number, execution, time in notes_of(file):
        known = found.setdefault(execution, Execution(number, float(time), float(time)))
        known.ended = float(time)
    return found


def _at_once(executions: list[Execution]) -> int:
    of_job = defaultdict(list)
    for execution in sorted(executions, key=lambda execution: execution.began):
        of_job[execution.number].append(execution)
    return sum(
        later.began < earlier.ended
        for ordered in of_job.values()
        for earlier, later in pairwise(ordered)
    )
