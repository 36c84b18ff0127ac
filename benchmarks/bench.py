"""What every figure needs: the plan, installed projects, and a word on how far it is."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from project import installed, versions
from template import combinations, copy_sources, name_of

from benchmarks.comparison import Comparison
from benchmarks.plan import Plan

PROBE = Path(__file__).parent / "probe"
MANY = Path(__file__).parent.parent / "tests" / "faults" / "probe" / "many.py"


@dataclass
class Bench:
    plan: Plan
    folder: Path
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.sources = copy_sources(self.folder / "template")
        self.probe = Path(shutil.copytree(PROBE, self.folder / "probe"))
        shutil.copy(MANY, self.probe)

    def project(self, engine: str, database: str) -> Path:
        """Rendered and installed once, with the probe in it."""
        answers = {"engine": engine, "database": database}
        return installed(self.sources, answers, self.folder, self.probe)

    def versions(self) -> dict[str, str]:
        """Of all that has been installed; engines may differ in what they allow."""
        found: dict[str, dict[str, None]] = {}
        for answers in combinations("engine", "database"):
            project = self.folder / name_of(answers) / name_of(answers)
            if project.exists():
                for name, version in versions(project).items():
                    found.setdefault(name, {})[version] = None
        return {name: " and ".join(each) for name, each in found.items()}

    @property
    def places(self) -> list[tuple[str, str]]:
        return [(engine, base) for engine in self.plan.engines for base in self.plan.databases]

    @property
    def places_by_turns(self) -> list[tuple[str, str]]:
        """Each engine on one database, and each database under some engine."""
        return list(zip(self.plan.engines, cycle(self.plan.databases), strict=False))

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", file=sys.stderr, flush=True)


Measure = Callable[[Bench], Iterator[Comparison]]
