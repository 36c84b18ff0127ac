"""A rendered service with the tasks of a shop and an hour of jobs: what the operators' page shows.

shop.py    starts it, and writes the screenshots of README.md
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks import UV, environment
from demo import is_ready, wait_until
from ports import free_port
from template import ROOT, copy_sources, render

TASKS = ROOT / "tests" / "ops_page"
SCREENSHOTS = ROOT / "{{cookiecutter.project_slug}}" / "docs" / "images"
PACKAGES = ("playwright-core@1", "axe-core@4", "--ignore-scripts", "--no-save", "--silent")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def make(sources: Path, folder: Path) -> Path:
    """Renders and installs the project, and fills its database."""
    answers = {"project_name": "Shop", "engine": "background", "database": "sqlite"}
    project = render(sources, {**answers, "project_slug": "shop"}, folder)
    shutil.copytree(TASKS, project / "app" / "shop", ignore=shutil.ignore_patterns("*.mjs"))
    tasks = project / "app" / "tasks.py"
    tasks.write_text(f"{tasks.read_text()}\nfrom app.shop import tasks as shop\n")
    subprocess.run([UV, "sync", "--quiet"], cwd=project, env=environment(), check=True)
    seed(project, "37", "4")
    return project


def settings(project: Path) -> dict[str, str]:
    return environment(DATABASE_URL=f"sqlite:///{project / 'app.db'}", LOG_LEVEL="WARNING")


def seed(project: Path, *what: str) -> None:
    command = [UV, "run", "python", "-m", "app.shop.seed", *what]
    subprocess.run(command, cwd=project, env=settings(project), check=True)


@contextmanager
def running(project: Path, **own: str) -> Iterator[int]:
    """A web process of it. Yields its port."""
    port = free_port()
    command = [UV, "run", "uvicorn", "app.main:app", "--port", str(port)]
    with (project.parent / f"{port}.log").open("wb") as log:
        service = subprocess.Popen(
            command, cwd=project, env=settings(project) | own, stdout=log, stderr=log
        )
    try:
        wait_until("the service", service, lambda: is_ready(f"http://127.0.0.1:{port}"))
        yield port
    finally:
        service.terminate()
        service.wait()


def node(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a script beside the packages that it needs, because Node looks for them there."""
    install = ["npm", "install", "--prefix", str(folder), *PACKAGES]
    subprocess.run(install, cwd=folder, env=environment(), check=True)
    copied = shutil.copy(TASKS / script, folder)
    shutil.copy(TASKS / "browser.mjs", folder)
    return subprocess.run(
        ["node", copied, browser() or "", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def main(folder: Path) -> None:
    if not browser():
        sys.exit(f"there is none of these browsers: {', '.join(BROWSERS)}")
    project = make(copy_sources(folder / "template"), folder)
    SCREENSHOTS.mkdir(exist_ok=True)
    with running(project) as port:
        done = node(folder, "screenshots.mjs", f"http://localhost:{port}", str(SCREENSHOTS))
    print(done.stdout, end="")
    sys.exit(done.returncode)


if __name__ == "__main__":
    os.environ.pop("OPS_TOKEN", None)
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
