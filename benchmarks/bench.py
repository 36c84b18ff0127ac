"""What every figure needs: the plan, installed projects, and progress messages."""

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from project import installed, versions
from template import combinations, copy_sources, name_of

from benchmarks.plan import Plan

HERE = Path(__file__).parent
# The service and its references use these as they are.
SHARED = ("work.py", "profiling.py")


@dataclass
class Bench:
    plan: Plan
    folder: Path
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.sources = copy_sources(self.folder / "template")
        self.probe = Path(shutil.copytree(HERE / "probe", self.folder / "probe"))
        for name in SHARED:
            shutil.copy(HERE / "bare" / name, self.probe)

    def project(self, engine: str, database: str) -> Path:
        """Renders and installs the project once, with the probe in it."""
        answers = {"engine": engine, "database": database}
        return installed(self.sources, answers, self.folder, self.probe)

    def versions(self) -> dict[str, str]:
        """Of everything that was installed. Engines may allow different versions."""
        found: dict[str, dict[str, None]] = {}
        for answers in combinations("engine", "database"):
            project = self.folder / name_of(answers) / name_of(answers)
            if project.exists():
                for name, version in versions(project).items():
                    found.setdefault(name, {})[version] = None
        return {name: " and ".join(each) for name, each in found.items()}

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", file=sys.stderr, flush=True)
