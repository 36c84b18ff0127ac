"""Two things measured in turn: their medians, their spread, and how the one stands to the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TypeVar

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The median, and the quartiles on both sides of it."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return Spread(low, middle, high)


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True)
class Goal:
    """Bounds of the median: of the ratio, or of our own figure."""

    least: float | None = None
    most: float | None = None
    of: str = "ratio"

    def __str__(self) -> str:
        bounds = (("≥", self.least), ("≤", self.most))
        return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    def is_met_by(self, value: float) -> bool:
        is_enough = self.least is None or value >= self.least
        return is_enough and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Comparison:
    """One row of a table. Figures of the same position come from the same round."""

    case: list[str]
    unit: str
    against: str
    ours: list[float]
    # Empty where there is nothing to compare with: `against` says why.
    reference: list[float] = field(default_factory=list)
    goal: Goal | None = None
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        return [own / other for own, other in zip(self.ours, self.reference, strict=False)]

    @property
    def is_met(self) -> bool | None:
        if self.goal is None or (self.goal.of == "ratio" and not self.reference):
            return None
        return self.goal.is_met_by(median(self.ratios if self.goal.of == "ratio" else self.ours))


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
