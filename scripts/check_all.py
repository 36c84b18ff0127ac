"""Renders every engine x database, installs it, and runs its linters, type checker and tests."""

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import CHECKS, run_check
from progress import print_table
from template import ROOT, combinations, copy_sources, memoise_jinja, render

BUILD = ROOT / "build" / "check"
AT_ONCE = 2  # each starts its own servers and workers

Outcome = dict[str, str]


def check(project: Path) -> Outcome:
    outcome: Outcome = {}
    for name in CHECKS:
        print(f"{project.name:<22} {name:<8} ...", flush=True)
        started = time.perf_counter()
        result = run_check(name, project)
        seconds = time.perf_counter() - started
        (BUILD / f"{project.name}.{name}.log").write_text(result.output, encoding="utf-8")
        outcome[name] = f"{'ok' if result.passed else 'FAILED'} {seconds:.0f} s"
        print(f"{project.name:<22} {name:<8} {outcome[name]}", flush=True)
        if not result.passed:
            print(result.tail(), flush=True)
            if name == "install":
                break
    return outcome


def main() -> None:
    started = time.perf_counter()
    shutil.rmtree(BUILD, ignore_errors=True)
    sources = copy_sources(BUILD / "sources" / "template")
    memoise_jinja()
    projects = [render(sources, combo, BUILD) for combo in combinations("engine", "database")]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(zip(projects, pool.map(check, projects), strict=True))

    print()
    rows = [
        [project.name, *(outcome.get(name, "-") for name in CHECKS)]
        for project, outcome in outcomes.items()
    ]
    print_table(("project", *CHECKS), rows)
    print(f"{time.perf_counter() - started:.0f} s; logs in {BUILD}")
    failed = [
        f"{project.name} ({name})"
        for project, outcome in outcomes.items()
        for name in outcome
        if outcome[name].startswith("FAILED")
    ]
    if failed:
        sys.exit("FAILED: " + ", ".join(failed))


if __name__ == "__main__":
    main()
