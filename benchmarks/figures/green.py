"""How long a newcomer waits until the tests of a new project pass, with warm caches: render,
`uv sync`, `uv run pytest`.

Each engine's project is rendered, installed and tested from scratch, with the commands that a user
types. Its tests start real workers, and real servers if the machine has them. The first run of the
tests also compiles all packages to byte code. The seconds depend on the machine.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from checks import CHECKS, UV, environment

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison, Goal

TITLE = "Time to green"
SLUG = "my-service"
RENDER = Goal("Rendering a project", most=1, unit="s")
TESTS = Goal("`uv run pytest` in a project on `background`", most=15, unit="s")
TESTS_OF_WORKERS = Goal("`uv run pytest` in a project with workers", most=25, unit="s")
GOALS = (RENDER, TESTS, TESTS_OF_WORKERS)


def measure(bench: Bench) -> Iterator[Comparison]:
    folder = bench.folder / "green"
    cookiecutter = ["cookiecutter", str(bench.sources), "--no-input", "--default-config"]
    copier = ["copier", "copy", "--quiet", "--defaults", str(bench.sources), SLUG]
    tests = [UV, "run", "pytest"]
    for engine in bench.plan.engines:
        # This fills the caches.
        bench.project(engine, bench.plan.databases[0])
        bench.say(f"time to green: {engine}")
        renders = {
            "render by copier": [*copier, "--data", f"engine={engine}"],
            "render by cookiecutter": [*cookiecutter, f"engine={engine}"],
        }
        for step, command in renders.items():
            found = [timed(command, emptied(folder)) for _ in range(bench.plan.few_rounds)]
            yield Comparison([engine, step], "s", NO_REFERENCE, found, goal=RENDER)
        project = folder / SLUG
        has_workers = "worker:" in (project / "Procfile").read_text(encoding="utf-8")
        for step, command, goal in (
            ("install", CHECKS["install"], None),
            ("first tests", tests, None),
            ("tests", tests, TESTS_OF_WORKERS if has_workers else TESTS),
        ):
            yield Comparison(
                [engine, step], "s", NO_REFERENCE, [timed(command, project)], goal=goal
            )


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def timed(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - began
