"""Which package computes for how long: calls profiled in turn, so that what slows one slows all."""

import cProfile
import math
import pstats
import sysconfig
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROUNDS = 10
COUNT = 20
# How often each is called in all: first once, to be warm.
CALLS = 1 + 2 * ROUNDS * COUNT

PACKAGES = Path(sysconfig.get_paths()["purelib"])
STANDARD = Path(sysconfig.get_paths()["stdlib"])
OWN = Path(__file__).parent.parent

Call = Callable[[], Awaitable[object]]


def package_of(file: str) -> str:
    path = Path(file)
    for folder in (PACKAGES, STANDARD):
        if path.is_relative_to(folder):
            name = path.relative_to(folder).parts[0].removesuffix(".py")
            return name if folder == PACKAGES else f"Python: {name}"
    if path.is_relative_to(OWN) or path.name == "lean.py":
        return "the app's own code"
    return "what is compiled at run time"


@dataclass
class Subject:
    call: Call
    found: Counter[str] = field(default_factory=Counter)
    # The profiler makes all of it slower: shares are its own, and the sum is what this is without.
    least: float = math.inf

    async def calls(self) -> None:
        for _ in range(COUNT):
            await self.call()

    async def round(self) -> None:
        began = time.process_time()
        await self.calls()
        self.least = min(self.least, (time.process_time() - began) / COUNT)
        profile = cProfile.Profile(time.thread_time, builtins=False)
        whole, own = time.process_time(), time.thread_time()
        profile.enable()
        await self.calls()
        profile.disable()
        whole, own = time.process_time() - whole, time.thread_time() - own
        self.found["other threads"] += whole - own
        stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
        for (file, _, _), (_, _, seconds, _, _) in stats.items():
            self.found[package_of(file)] += seconds

    def microseconds(self) -> dict[str, float]:
        share = 1e6 * self.least / self.found.total()
        return {name: seconds * share for name, seconds in condensed(self.found).items()}


def condensed(found: Counter[str]) -> dict[str, float]:
    """What takes less than a fiftieth is all one."""
    least = found.total() / 50
    large = {name: seconds for name, seconds in found.most_common() if seconds >= least}
    return large | {"everything else": found.total() - sum(large.values())}


async def profiled(calls: dict[str, Call]) -> dict[str, dict[str, float]]:
    """Microseconds of CPU per call; what is compiled counts for its caller."""
    subjects = {what: Subject(call) for what, call in calls.items()}
    for subject in subjects.values():
        await subject.call()
    for _ in range(ROUNDS):
        for subject in subjects.values():
            await subject.round()
    return {what: subject.microseconds() for what, subject in subjects.items()}
