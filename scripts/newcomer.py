"""Time a newcomer's path, per engine, and write it into README.md: render, install, green tests.

The caches are warm: what is installed has been downloaded before.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from checks import UV, environment
from template import CHOICES, ROOT, copy_sources

README = ROOT / "README.md"
HEAD = "| engine | `cookiecutter` | `uv sync` | `uv run pytest` | in all |\n|---|---|---|---|---|\n"


def timed(command: list[str], folder: Path) -> float:
    started = perf_counter()
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{run.stdout}")
    return perf_counter() - started


def walk(engine: str, sources: Path, folder: Path) -> list[float]:
    answers = [f"engine={engine}", "project_slug=orders"]
    render = ["cookiecutter", str(sources), "--no-input", "--default-config", *answers]
    folder.mkdir()
    return [
        timed(render, folder),
        timed([UV, "sync", "--quiet"], folder / "orders"),
        timed([UV, "run", "pytest", "--quiet"], folder / "orders"),
    ]


def main(folder: Path) -> None:
    sources = copy_sources(folder / "template")
    table = HEAD
    for engine in CHOICES["engine"]:
        render = [str(sources), "--no-input", "--default-config", f"engine={engine}"]
        timed(["cookiecutter", *render, "project_slug=warm", "-o", engine + "-warm"], folder)
        timed([UV, "sync", "--quiet"], folder / f"{engine}-warm" / "warm")
        seconds = walk(engine, sources, folder / engine)
        cells = [f"{second:.1f} s" for second in [*seconds, sum(seconds)]]
        table += f"| `{engine}` | {' | '.join(cells)} |\n"
        print(table.splitlines()[-1], flush=True)
    table += f"\nOn {os.cpu_count()} cores, with SQLite and Python {sys.version.split()[0]}.\n"
    readme = README.read_text(encoding="utf-8")
    pattern = r"(?<=<!-- newcomer -->\n).*?(?=<!-- end -->\n)"
    README.write_text(re.sub(pattern, lambda _: table, readme, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
