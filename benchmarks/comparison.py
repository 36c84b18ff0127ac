"""Measures the service and its reference in turn: medians, quartiles, ratios and goals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TypeVar

NO_REFERENCE = "no reference"

Measured = TypeVar("Measured")
# What one round measures: (name, unit) -> value. The main value comes first and has no name.
Sample = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The median and the two quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*quantiles(values, n=4, method="inclusive"))


def percentiles(milliseconds: Sequence[float]) -> Sample:
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return {("p50", "ms"): cuts[49], ("p99", "ms"): cuts[98]}


@dataclass(frozen=True)
class Goal:
    """A bound of the median: of the ratio, or with a unit of the service's own value."""

    what: str
    least: float | None = None
    most: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        bound = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"
        return f"{bound} {self.unit}".strip()

    def is_met_by(self, value: float) -> bool:
        is_enough = self.least is None or value >= self.least
        return is_enough and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Comparison:
    """One row of a table. Values at the same position come from the same round."""

    case: list[str]
    unit: str
    against: str
    ours: list[float]
    # Empty if there is nothing to compare with; `against` says why.
    reference: list[float] = field(default_factory=list)
    goal: Goal | None = None

    @property
    def ratios(self) -> list[float]:
        return [own / other for own, other in zip(self.ours, self.reference, strict=False)]

    @property
    def judged(self) -> list[float]:
        """The values that the goal is about."""
        return self.ours if self.goal and self.goal.unit else self.ratios

    @property
    def is_met(self) -> bool | None:
        return self.goal.is_met_by(median(self.judged)) if self.goal and self.judged else None


def alternating(
    rounds: int, *subjects: Callable[[], Measured], warm_up: bool = True
) -> list[list[Measured]]:
    """A B A B ...: what disturbs the machine for a while disturbs both."""
    if warm_up:
        for subject in subjects:
            subject()
    found: list[list[Measured]] = [[] for _ in subjects]
    for _ in range(rounds):
        for subject, measured in zip(subjects, found, strict=True):
            measured.append(subject())
    return found


def compared(
    case: Sequence[str],
    against: str,
    rounds: int,
    *subjects: Callable[[], Sample],
    goal: Goal | None = None,
    warm_up: bool = True,
) -> Iterator[Comparison]:
    """Measures the service and, if given, its reference. One row for each value of a sample."""
    yield from rows(case, against, *alternating(rounds, *subjects, warm_up=warm_up), goal=goal)


def rows(
    case: Sequence[str], against: str, *found: Sequence[Sample], goal: Goal | None = None
) -> Iterator[Comparison]:
    """One row for each value that all samples have."""
    for name, unit in found[-1][0]:
        names = [name] if name else []
        yield row([*case, *names], against, (name, unit), *found, goal=None if name else goal)


def row(
    case: Sequence[str],
    against: str,
    key: tuple[str, str],
    *found: Sequence[Sample],
    goal: Goal | None = None,
) -> Comparison:
    columns = [[sample[key] for sample in samples] for samples in found]
    return Comparison([*case], key[1], against, *columns, goal=goal)
