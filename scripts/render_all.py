"""Renders every combination of answers: python scripts/render_all.py OUT"""

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from progress import print_table, show_bar
from template import CHOICES, combinations, copy_sources, memoise_jinja, name_of, render


def make_room(output: Path, combos: list[dict[str, str]]) -> None:
    for answers in combos:
        project = output / name_of(answers)
        if not project.exists():
            continue
        if not (project / ".copier-answers.yml").exists():
            sys.exit(f"{project} exists and was not written by this script")
        shutil.rmtree(project)


def render_and_count(sources: Path, answers: dict[str, str], output: Path) -> int:
    project = render(sources, answers, output)
    return sum(path.is_file() for path in project.rglob("*"))


def main(output: Path) -> None:
    started = time.perf_counter()
    combos = combinations(*CHOICES)
    make_room(output, combos)
    projects: Counter[str] = Counter()
    files: Counter[str] = Counter()

    with (
        tempfile.TemporaryDirectory() as temporary,
        # Processes, not threads: cookiecutter changes the working directory.
        ProcessPoolExecutor(initializer=memoise_jinja) as pool,
    ):
        sources = copy_sources(Path(temporary) / "template")
        running = {pool.submit(render_and_count, sources, combo, output): combo for combo in combos}
        for done, future in enumerate(as_completed(running), start=1):
            answers = running[future]
            projects[answers["engine"]] += 1
            files[answers["engine"]] += future.result()
            show_bar(done, len(combos), name_of(answers))

    print_table(
        ("engine", "projects", "files"),
        [(engine, projects[engine], files[engine]) for engine in CHOICES["engine"]],
    )
    seconds = time.perf_counter() - started
    print(f"{len(combos)} projects in {output}: {seconds:.1f} s on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
