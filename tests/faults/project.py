"""A rendered project with the probe, made and installed once per test run."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

from checks import UV, environment, install, locked
from template import name_of, render

PROBE = Path(__file__).parent / "probe"
VERSIONS = "versions.json"

PRINT_VERSIONS = """
import json, platform, sqlite3, sys; from importlib.metadata import version
known = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
print(json.dumps(known | {name: version(name) for name in sys.argv[1:]}))
"""


def installed(sources: Path, answers: dict[str, str], shared: Path, probe: Path = PROBE) -> Path:
    folder = shared / name_of(answers)
    with locked(shared / f"{name_of(answers)}.lock"):
        if not (folder / VERSIONS).exists():
            project = render(sources, answers, folder)
            add_probe(project, probe)
            install(project, shared / "environments")
            # Written last, because it marks the project as complete.
            (folder / VERSIONS).write_text(json.dumps(versions_in(project)))
    return folder / name_of(answers)


def add_probe(project: Path, probe: Path) -> None:
    shutil.copytree(probe, project / "app" / "probe")
    for file, line in (
        ("tasks.py", "from app import probe as probe"),
        ("main.py", "from app.probe.routes import router as probes; app.include_router(probes)"),
    ):
        source = project / "app" / file
        source.write_text(f"{source.read_text()}\n{line}\n")


def versions_in(project: Path) -> dict[str, str]:
    """The versions of Python, SQLite and the direct dependencies of the project."""
    named = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    packages = [requirement.partition(">=")[0].partition("[")[0] for requirement in named]
    said = subprocess.run(
        [UV, "run", "python", "-c", PRINT_VERSIONS, *packages],
        cwd=project,
        env=environment(),
        check=True,
        capture_output=True,
    )
    return dict(json.loads(said.stdout))


def versions(project: Path) -> dict[str, str]:
    return dict(json.loads((project.parent / VERSIONS).read_text()))
