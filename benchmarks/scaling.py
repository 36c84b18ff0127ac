"""docs/SCALING.md: what follows from the figures, on paper."""

from pathlib import Path
from statistics import median

from benchmarks.comparison import Comparison
from benchmarks.figures.growth import AGAIN
from benchmarks.page import Run, significant, table

PROSE = Path(__file__).with_name("scaling.md")
JOBS_PER_USER = 2
BUSY_SECONDS = 24 * 60 * 60 / 10
HEAD = ("Engine, database", "Registrations/s", "Carried by a worker/s", "Users a day")


def scaling(run: Run) -> str:
    costs = cases(run, "jobs", "ledger, CPU per job")
    milliseconds = [median(cost.ours) / 1000 for cost in costs]
    return PROSE.read_text(encoding="utf-8").format(
        machine=run.machine,
        capacity=table(HEAD, capacity(run)),
        ledger_cpu=between(milliseconds),
        growth=growth(run),
    )


def between(milliseconds: list[float]) -> str:
    ends = dict.fromkeys(f"{end:.1f}" for end in (min(milliseconds), max(milliseconds)))
    return f"{' to '.join(ends)} ms"


def cases(run: Run, figure: str, ending: str) -> list[Comparison]:
    sections = [section for section in run.sections if section.name == figure]
    return [c for section in sections for c in section.comparisons if c.case[-1] == ending]


def capacity(run: Run) -> list[list[str]]:
    rows = []
    jobs = {tuple(c.case[:2]): c for c in cases(run, "jobs", "no-op, asynchronous")}
    whole = {tuple(c.case[:2]): c for c in cases(run, "requests", "POST /users, with their work")}
    for comparison in cases(run, "requests", "POST /users"):
        place = tuple(comparison.case[:2])
        if place not in jobs:
            continue
        taken = median(comparison.ours)
        carried = median(jobs[place].ours) / JOBS_PER_USER
        if place in whole:
            taken = carried = median(whole[place].ours)
        a_day = min(taken, carried) * BUSY_SECONDS
        rows.append([", ".join(place), *map(significant, (taken, carried)), significant(a_day)])
    return rows


def growth(run: Run) -> str:
    found = [c for section in run.sections if section.name == "growth" for c in section.comparisons]
    flat = [c for c in found if c.goal]
    most = max(map(rows_of, flat))
    worst = min((c for c in flat if rows_of(c) == most), key=lambda c: median(c.ratios))
    equals = [median(c.ratios) for c in found if c.case[-1].endswith(AGAIN)]
    return (
        f"beside the largest ledger that was measured, the slowest has {median(worst.ratios):.2f} "
        f"of its speed ({', '.join(worst.case)}), where services beside small ones have "
        f"{min(equals):.2f} to {max(equals):.2f} of each other's"
    )


def rows_of(comparison: Comparison) -> int:
    return int(comparison.case[-1].removesuffix(" rows").replace(",", ""))
