"""How long a newcomer waits until all tests of a new project pass, with warm caches: render,
`uv sync`, `uv run pytest`.

Each engine's project is rendered, installed and tested from scratch, with the commands that a user
types. Its tests start real workers, and real servers if the machine has them. The seconds depend on
the machine.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from checks import CHECKS, environment

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison

TITLE = "Time to green"
SLUG = "my-service"


def measure(bench: Bench) -> Iterator[Comparison]:
    output = bench.folder / "green"
    cookiecutter = ["cookiecutter", str(bench.sources), "--no-input", "--default-config"]
    copier = ["copier", "copy", "--quiet", "--defaults", str(bench.sources), SLUG]
    for engine in bench.plan.engines:
        # This fills the caches.
        bench.project(engine, bench.plan.databases[0])
        bench.say(f"time to green: {engine}")
        renders = {
            "render by copier": [*copier, "--data", f"engine={engine}"],
            "render by cookiecutter": [*cookiecutter, f"engine={engine}"],
        }
        steps = {}
        for step, command in renders.items():
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            steps[step] = timed(command, output)
        steps["install"] = timed(CHECKS["install"], output / SLUG)
        steps["test"] = timed(CHECKS["tests"], output / SLUG)
        for step, seconds in steps.items():
            yield Comparison([engine, step], "s", NO_REFERENCE, [seconds])


def timed(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - began
