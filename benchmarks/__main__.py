"""Measures what a service costs, and writes docs/PERFORMANCE.md and docs/SCALING.md."""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from template import ROOT

from benchmarks import machine
from benchmarks.bench import Bench
from benchmarks.figures import FIGURES
from benchmarks.page import Run, Section, missing, page, short, write_page
from benchmarks.plan import FULL, QUICK
from benchmarks.record import load, save
from benchmarks.scaling import scaling

DOCS = ROOT / "docs"
LAST = ROOT / "build" / "bench.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, which prints the page")
    parser.add_argument("--again", action="store_true", help="write the pages of the last run")
    parser.add_argument("--only", nargs="+", choices=FIGURES, help="measure only these figures")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the pages there")
    parser.add_argument("--engines", nargs="+", choices=FULL.engines)
    parser.add_argument("--databases", nargs="+", choices=FULL.databases)
    return parser.parse_args()


def main() -> None:
    # So that what runs is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = arguments()
    if given.again:
        if not LAST.exists():
            sys.exit("Nothing has been measured here yet: run make bench first.")
        write(load(LAST), DOCS)
        return
    plan = QUICK if given.quick else FULL
    plan = replace(plan, engines=tuple(given.engines or plan.engines))
    plan = replace(plan, databases=tuple(given.databases or plan.databases))
    wanted = given.only or [name for name in FIGURES if name not in plan.leaves_out]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = measured(Bench(plan, Path(folder)), wanted)
    is_whole = plan == FULL and wanted == [*FIGURES]
    if is_whole:
        save(run, LAST)
    if is_whole or given.write:
        write(run, given.write or DOCS)
    else:
        print(page(run))
    if failed := {*wanted} - {section.name for section in run.sections}:
        sys.exit(f"failed: {', '.join(sorted(failed))}")


def write(run: Run, folder: Path) -> None:
    if gaps := missing(run):
        sys.exit(f"The pages were not written. The run has no result for: {'; '.join(gaps)}.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SCALING.md").write_text(scaling(run), encoding="utf-8")
    write_page(run, folder)


def measured(bench: Bench, wanted: list[str]) -> Run:
    """A figure that fails is left out, and the others are measured nevertheless."""
    began, sections = time.monotonic(), []
    for name, figure in FIGURES.items():
        if name not in wanted:
            continue
        found = []
        try:
            for comparison in figure.measure(bench):
                bench.say(", ".join([*comparison.case, short(comparison)]))
                found.append(comparison)
            sections.append(Section(name, figure.TITLE, (figure.__doc__ or "").strip(), found))
        except Exception:
            traceback.print_exc()
            bench.say(f"failed: {name}")
    minutes = (time.monotonic() - began) / 60
    return Run(sections, bench.versions(), machine.described(), minutes)


if __name__ == "__main__":
    main()
