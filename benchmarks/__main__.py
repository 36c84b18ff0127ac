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
from benchmarks.profiles import profiles
from benchmarks.scaling import scaling

DOCS = ROOT / "docs"


def name_of(figure: object) -> str:
    return str(figure.__name__).rpartition(".")[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [name_of(figure) for figure in FIGURES]
    parser.add_argument("--quick", action="store_true", help="print, and write nothing")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these figures")
    parser.add_argument("--engines", nargs="+", choices=FULL.engines)
    parser.add_argument("--databases", nargs="+", choices=FULL.databases)
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    given = arguments()
    plan = QUICK if given.quick else FULL
    plan = replace(plan, engines=tuple(given.engines or plan.engines))
    plan = replace(plan, databases=tuple(given.databases or plan.databases))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = measured(Bench(plan, Path(folder)), given.only)
    if given.quick or {*given.only} != {name_of(figure) for figure in FIGURES}:
        print(page(run))
        return
    (DOCS / "SCALING.md").write_text(scaling(run), encoding="utf-8")
    write_page(run, DOCS)


def measured(bench: Bench, wanted: list[str]) -> Run:
    began, load = time.monotonic(), machine.load()
    sections = []
    for figure in FIGURES:
        if (name := name_of(figure)) in wanted:
            found = []
            for comparison in figure.measure(bench):
                bench.say(", ".join([*comparison.case, short(comparison)]))
                found.append(comparison)
            text = (figure.__doc__ or "").strip()
            sections.append(Section(name, figure.TITLE, text, found))
    where = [*profiles(bench)]
    return Run(sections, where, bench.versions(), (time.monotonic() - began) / 60, load)


if __name__ == "__main__":
    main()
