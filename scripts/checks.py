"""The checks that a rendered project must pass, and how to run them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# `uv run` passes its own path to its children.
UV = shutil.which(os.environ.get("UV", "uv")) or sys.exit(
    "uv is not installed: use make, which installs it"
)

CHECKS = {
    "install": [UV, "sync", "--quiet"],
    "lint": [UV, "run", "ruff", "check"],
    "format": [UV, "run", "ruff", "format", "--check"],
    "types": [UV, "run", "mypy"],
    "tests": [UV, "run", "pytest", "-m", ""],  # all of them
}

# Variables that belong to this repository's virtual environment and test run.
OURS = ("MAKE", "MFLAGS", "VIRTUAL_ENV", "UV_PROJECT_", "UV_RUN_", "PYTHON", "PYTEST", "COV_")


def environment(**extra: str) -> dict[str, str]:
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    # The project's scripts run `uv`, wherever ours is installed.
    path = os.pathsep.join([theirs["PATH"], str(Path(UV).parent)])
    return theirs | {"PATH": path} | extra


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def install(project: Path, shared: Path) -> None:
    """Projects with the same dependencies share an environment, which takes ten seconds to make."""
    named = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    dependencies = repr((named["project"]["dependencies"], named["dependency-groups"]))
    own = shared / hashlib.sha256(dependencies.encode()).hexdigest()[:16]
    shared.mkdir(exist_ok=True)
    # By its own path, because the programs in it name the path of their interpreter.
    settings = environment(UV_PROJECT_ENVIRONMENT=str(own))
    with locked(own.with_suffix(".lock")):
        subprocess.run(CHECKS["install"], cwd=project, env=settings, check=True)
    (project / ".venv").symlink_to(own)


@dataclass(frozen=True)
class Result:
    passed: bool
    output: str

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.output.splitlines()[-lines:])


def run_check(name: str, project: Path, *arguments: str, **settings: str) -> Result:
    done = subprocess.run(
        [*CHECKS[name], *arguments],
        cwd=project,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return Result(done.returncode == 0, done.stdout)
