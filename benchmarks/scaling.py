"""docs/SCALING.md: what follows from the figures."""

from itertools import chain
from pathlib import Path
from statistics import median

from benchmarks.comparison import Comparison
from benchmarks.page import Run, significant, table

PROSE = Path(__file__).with_name("scaling.md")
JOBS_PER_USER = 2
BUSY_SECONDS = 24 * 60 * 60 / 10
HEAD = ("Engine, database", "Registrations/s", "Carried by a worker/s", "Users a day")


def scaling(run: Run) -> str:
    jobs = [row for row in cases(run, "profile", "all") if row.case[1].startswith("no-op job")]
    costs = [median(row.ours) / 1000 for row in jobs]
    flat = [row for row in cases(run, "growth") if row.goal]
    slowest = min(flat, key=lambda row: median(row.ratios))
    return PROSE.read_text(encoding="utf-8").format(
        machine=run.machine,
        capacity=table(HEAD, capacity(run)),
        job_cpu=" to ".join(dict.fromkeys(f"{cost:.1f}" for cost in (min(costs), max(costs)))),
        share=f"{median(slowest.ratios):.0%}",
        slowest=", ".join(slowest.case),
    )


def cases(run: Run, figure: str, *ending: str) -> list[Comparison]:
    rows = chain(*(section.comparisons for section in run.sections if section.name == figure))
    return [row for row in rows if row.case[len(row.case) - len(ending) :] == [*ending]]


def capacity(run: Run) -> list[list[str]]:
    jobs = {tuple(row.case[:2]): row for row in cases(run, "jobs", "no-op")}
    whole = {
        tuple(row.case[:2]): row for row in cases(run, "requests", "POST /users, with its jobs")
    }
    rows = []
    for row in cases(run, "requests", "POST /users"):
        place = tuple(row.case[:2])
        if place in jobs:
            taken = median(row.ours)
            carried = median(jobs[place].ours) / JOBS_PER_USER
            if place in whole:
                taken = carried = median(whole[place].ours)
            a_day = min(taken, carried) * BUSY_SECONDS
            rows.append([", ".join(place), *map(significant, (taken, carried, a_day))])
    return rows
