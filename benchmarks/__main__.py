"""Measure, and write docs/PERFORMANCE.md and docs/SCALING.md: python -m benchmarks [--quick] ..."""

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
from benchmarks.profiles import explanation
from benchmarks.record import load, save
from benchmarks.scaling import scaling

DOCS = ROOT / "docs"
# What explains the figures whose goals are not met; asked for as they are.
WHY = "why"
LAST = ROOT / "build" / "bench.json"


def name_of(figure: object) -> str:
    return str(figure.__name__).rpartition(".")[2]


def names() -> list[str]:
    return [*(name_of(figure) for figure in FIGURES), WHY]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="print, and write nothing")
    parser.add_argument("--again", action="store_true", help="write the pages of the last run")
    parser.add_argument("--only", nargs="+", choices=names(), help="these figures")
    parser.add_argument("--engines", nargs="+", choices=FULL.engines)
    parser.add_argument("--databases", nargs="+", choices=FULL.databases)
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    given = arguments()
    if given.again:
        write(load(LAST))
        return
    plan = QUICK if given.quick else FULL
    plan = replace(plan, engines=tuple(given.engines or plan.engines))
    plan = replace(plan, databases=tuple(given.databases or plan.databases))
    wanted = given.only or [name for name in names() if name not in plan.leaves_out]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = measured(Bench(plan, Path(folder)), wanted)
    if plan == FULL and wanted == names():
        save(run, LAST)
        write(run)
    else:
        print(page(run))


def write(run: Run) -> None:
    (DOCS / "SCALING.md").write_text(scaling(run), encoding="utf-8")
    write_page(run, DOCS)


def measured(bench: Bench, wanted: list[str]) -> Run:
    began, busy, stolen = time.monotonic(), machine.load(), machine.stolen()
    sections = []
    for figure in FIGURES:
        if (name := name_of(figure)) in wanted:
            found = []
            for comparison in figure.measure(bench):
                bench.say(", ".join([*comparison.case, short(comparison)]))
                found.append(comparison)
            text = (figure.__doc__ or "").strip()
            sections.append(Section(name, figure.TITLE, text, found))
    why = explanation(bench) if WHY in wanted else None
    took = time.monotonic() - began
    stolen = (machine.stolen() - stolen) / took / len(machine.CORES or [0])
    return Run(sections, why, bench.versions(), machine.described(), took / 60, busy, stolen)


if __name__ == "__main__":
    main()
