"""Compares what was accepted with what the ledger says and with what the tasks have noted."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from service import Service


@dataclass
class Execution:
    number: str
    began: float
    # The last that is known of it: a killed one has noted nothing more.
    ended: float


@dataclass(frozen=True)
class Audit:
    accepted: int
    succeeded: int
    # With a reason, which the list of jobs shows.
    failed: int
    starts: Counter[str]
    finishes: Counter[str]
    at_once: int

    @property
    def lost(self) -> int:
        return self.accepted - self.succeeded - self.failed

    @property
    def begun_again(self) -> int:
        return sum(times > 1 for times in self.starts.values())

    @property
    def finished_again(self) -> int:
        return sum(times > 1 for times in self.finishes.values())

    def __str__(self) -> str:
        parts = [f"{self.lost} of {self.accepted:,} lost"]
        if self.failed:
            parts.append(f"{self.failed:,} failed, with a reason")
        if self.starts:
            parts.append(f"{self.begun_again} begun again")
            parts.append(f"{self.finished_again} finished twice")
        return ", ".join(parts)


def audited(service: Service, accepted: int, *, may_overlap: bool = False) -> Audit:
    """Every accepted job has one end, which can be seen, and no two processes had it at once."""
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
    assert audit.lost == 0, f"{service.count()} in the ledger: {audit}"
    assert may_overlap or audit.at_once == 0, f"two executions of one job overlapped: {audit}"
    return audit


def _failed(service: Service) -> list[dict[str, object]]:
    most = 100
    page = service.jobs("failed", limit=most)
    assert page["total"] <= most, f"more failed than the tests expect: {page['total']}"
    return list(page["items"])


def notes_of(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def counts(service: Service, event: str) -> Counter[str]:
    """How often each probe has started, or finished."""
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
