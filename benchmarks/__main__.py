"""Measures what a service costs, and writes docs/PERFORMANCE.md and docs/SCALING.md."""

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from template import ROOT

from benchmarks import machine
from benchmarks.bench import Bench
from benchmarks.figures import FIGURES
from benchmarks.page import Run, Section, page, short, write_page
from benchmarks.plan import FULL, QUICK
from benchmarks.record import load, save
from benchmarks.scaling import scaling

DOCS = ROOT / "docs"
LAST = ROOT / "build" / "bench.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="print the page, write nothing")
    parser.add_argument("--again", action="store_true", help="write the pages of the last run")
    parser.add_argument("--only", nargs="+", choices=FIGURES, help="measure only these figures")
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
        write(load(LAST))
        return
    plan = QUICK if given.quick else FULL
    plan = replace(plan, engines=tuple(given.engines or plan.engines))
    plan = replace(plan, databases=tuple(given.databases or plan.databases))
    wanted = given.only or [name for name in FIGURES if name not in plan.leaves_out]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = measured(Bench(plan, Path(folder)), wanted)
    if plan == FULL and wanted == [*FIGURES]:
        save(run, LAST)
        write(run)
    else:
        print(page(run))


def write(run: Run) -> None:
    (DOCS / "SCALING.md").write_text(scaling(run), encoding="utf-8")
    write_page(run, DOCS)


def measured(bench: Bench, wanted: list[str]) -> Run:
    began, sections = time.monotonic(), []
    for name, figure in FIGURES.items():
        if name in wanted:
            found = []
            for comparison in figure.measure(bench):
                bench.say(", ".join([*comparison.case, short(comparison)]))
                found.append(comparison)
            sections.append(Section(name, figure.TITLE, (figure.__doc__ or "").strip(), found))
    minutes = (time.monotonic() - began) / 60
    return Run(sections, bench.versions(), machine.described(), minutes)


if __name__ == "__main__":
    main()
