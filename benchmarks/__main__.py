"""Measure, and write docs/PERFORMANCE.md and docs/SCALING.md: python -m benchmarks [--quick] ..."""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import FIGURES
from benchmarks.plan import FULL, QUICK


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
    given = arguments()
    plan = QUICK if given.quick else FULL
    plan = replace(plan, engines=tuple(given.engines or plan.engines))
    plan = replace(plan, databases=tuple(given.databases or plan.databases))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(plan, Path(folder))
        for figure in FIGURES:
            if name_of(figure) in given.only:
                for comparison in figure.measure(bench):
                    print(comparison)


if __name__ == "__main__":
    main()
