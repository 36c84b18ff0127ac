"""A newcomer's way: `cookiecutter`, `uv sync`, `uv run pytest`, with warm caches, until all tests
are green.

Each engine's project is made, installed and tested from nothing, and right before it the
reference: one file with a route, and one test of it. So the reference has a figure for each
engine, and each engine one. The engine's tests start real workers, on real servers where the
machine has them.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from checks import CHECKS, UV, environment

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison

TITLE = "Time to green"
AGAINST = "an app of one route, with one test"

PYPROJECT = """
[project]
name = "my-service"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["fastapi", "httpx", "uvicorn[standard]"]
[dependency-groups]
dev = ["pytest"]
[tool.uv]
package = false
[tool.pytest.ini_options]
testpaths = ["."]
"""
TEST = """
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()


@app.get("/")
def hello() -> str:
    return "hello"


def test_it_says_hello() -> None:
    assert TestClient(app).get("/").json() == "hello"
"""


def measure(bench: Bench) -> Iterator[Comparison]:
    folder = bench.folder / "green"
    shutil.rmtree(folder, ignore_errors=True)
    smallest = smallest_template(folder / "smallest")
    for engine in bench.plan.engines:
        # What is downloaded for it is in the cache from now on.
        bench.project(engine, bench.plan.databases[0])
        bench.say(f"time to green: {engine}")
        reference = steps(smallest, folder / "out")
        own = steps(bench.sources, folder / "out", f"engine={engine}")
        for step in ("render", "install", "test"):
            yield Comparison([engine, step], "s", AGAINST, [own[step]], [reference[step]])
        totals = [[sum(each.values())] for each in (own, reference)]
        yield Comparison([engine, "all"], "s", AGAINST, *totals)


def smallest_template(folder: Path) -> Path:
    project = folder / "{{cookiecutter.project_slug}}"
    project.mkdir(parents=True)
    (folder / "cookiecutter.json").write_text(json.dumps({"project_slug": "my-service"}))
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "test_app.py").write_text(TEST)
    return folder


def steps(template: Path, output: Path, *answers: str) -> dict[str, float]:
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    render = ["cookiecutter", str(template), "--no-input", "--default-config", *answers]
    project = output / "my-service"
    return {
        "render": timed(render, output),
        "install": timed([UV, "sync", "--quiet"], project),
        "test": timed(CHECKS["tests"], project),
    }


def timed(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - began
