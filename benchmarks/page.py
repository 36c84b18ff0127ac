"""docs/PERFORMANCE.md and its plots, from what one run has measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.comparison import Comparison, spread
from benchmarks.plot import has_dot, plot
from benchmarks.profiles import Explanation, Profile, Touched, Wait

PROSE = Path(__file__).with_name("performance.md")
WHY = Path(__file__).with_name("why.md")
HEAD = ("Case", "Unit", "Service", "Reference", "Ratio", "Goal", "Reference is", "Durability")


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    text: str
    comparisons: list[Comparison]


@dataclass(frozen=True)
class Run:
    sections: list[Section]
    why: Explanation | None
    versions: dict[str, str]
    machine: str
    minutes: float
    load: float
    # Of the cores' time, what others on the same hardware had of it.
    stolen: float


def write_page(run: Run, folder: Path) -> None:
    """All at once: a reader never meets half a page."""
    plots = folder / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    for section in run.sections:
        if any(has_dot(comparison) for comparison in section.comparisons):
            (plots / f"{section.name}.svg").write_text(plot(section.comparisons), encoding="utf-8")
    new = folder / "PERFORMANCE.new"
    new.write_text(page(run), encoding="utf-8")
    new.replace(folder / "PERFORMANCE.md")


def page(run: Run) -> str:
    return PROSE.read_text(encoding="utf-8").format(
        machine=run.machine,
        versions=", ".join(f"{name} {version}" for name, version in run.versions.items()),
        minutes=f"{run.minutes:.0f}",
        load=f"{run.load:.1f}",
        stolen=f"{100 * run.stolen:.0f}",
        goals=goals(run.sections),
        figures="\n".join(
            figure(number, section) for number, section in enumerate(run.sections, start=1)
        ),
        why=why(run.why) if run.why else "Not measured.",
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals(sections: list[Section]) -> str:
    rows = []
    for section in sections:
        for goal in dict.fromkeys(c.goal for c in section.comparisons if c.goal):
            own = [c for c in section.comparisons if c.goal == goal and c.is_met is not None]
            if own:
                rows.append([f"[{section.title}](#{section.name})", *verdict(own)])
    return table(("Figure", "Goal", "Met", "Worst case"), rows)


def verdict(own: list[Comparison]) -> list[str]:
    goal = own[0].goal
    assert goal
    measured = {id(c): median(c.ours if goal.of == "ours" else c.ratios) for c in own}
    bad = min if goal.least is not None else max
    worst = bad(own, key=lambda comparison: measured[id(comparison)])
    met = sum(bool(comparison.is_met) for comparison in own)
    said = "yes" if met == len(own) else f"**in {met} of {len(own)} cases**"
    bound = f"{goal} s" if goal.of == "ours" else f"{goal} of the reference"
    return [bound, said, f"{', '.join(worst.case)}: {significant(measured[id(worst)])}"]


def figure(number: int, section: Section) -> str:
    parts = [f'<a id="{section.name}"></a>', f"## {number}. {section.title}", "", section.text, ""]
    if any(has_dot(comparison) for comparison in section.comparisons):
        parts += [f"![{section.title}](performance/{section.name}.svg)", ""]
    rows = [row(comparison) for comparison in section.comparisons]
    return "\n".join([*parts, table(HEAD, rows), ""])


def row(comparison: Comparison) -> list[str]:
    goal = "" if comparison.goal is None else f"{comparison.goal}: {said(comparison.is_met)}"
    figures = (comparison.ours, comparison.reference, comparison.ratios)
    shown = [with_spread(values) for values in figures]
    return [
        ", ".join(comparison.case),
        comparison.unit,
        *shown,
        goal,
        comparison.against,
        comparison.note,
    ]


def said(is_met: bool | None) -> str:
    return {True: "met", False: "**not met**", None: "nothing to compare with"}[is_met]


def with_spread(values: list[float]) -> str:
    if not values:
        return "-"
    found = spread(values)
    if len(values) == 1:
        return significant(found.median)
    return f"{significant(found.median)} ({significant(found.low)} to {significant(found.high)})"


def short(comparison: Comparison) -> str:
    """For whoever watches."""
    ratio = f", ratio {with_spread(comparison.ratios)}" if comparison.ratios else ""
    return f"{with_spread(comparison.ours)} {comparison.unit}{ratio}"


def significant(value: float) -> str:
    """Three digits, and more only before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def why(found: Explanation) -> str:
    return WHY.read_text(encoding="utf-8").format(
        parts="\n\n".join(
            f"On {database}:\n\n{profiles(parts)}" for database, parts in found.of_parts.items()
        ),
        whole_requests=profiles(found.of_whole_requests),
        work=significant(found.of_waiting[0].milliseconds["work"]),
        waiting=waits(found.of_waiting),
        size=sizes(found.of_size),
    )


def profiles(found: list[Profile]) -> str:
    parts = dict.fromkeys(part for profile in found for part in profile.microseconds)
    rows = [
        [part, *(significant(profile.microseconds.get(part, 0)) for profile in found)]
        for part in parts
    ]
    totals = ["**all**", *(significant(sum(p.microseconds.values())) for p in found)]
    return table(("CPU, µs", *(profile.what for profile in found)), [*rows, totals])


def waits(found: list[Wait]) -> str:
    rows = []
    for wait in found:
        spent = wait.milliseconds
        figures = (spent["claim"], spent["end"], spent["all"], spent["work"] / spent["all"])
        rows.append([wait.what, *map(significant, figures)])
    return table(("Milliseconds", "to be claimed", "for its end", "all", "ratio at most"), rows)


def sizes(found: list[Touched]) -> str:
    by_what: dict[str, list[Touched]] = {}
    for touched in found:
        by_what.setdefault(touched.what, []).append(touched)
    rows = [
        [what, f"{each.rows:,}", *map(beside, each.figures.values(), fewest.figures.values())]
        for what, (fewest, *more) in by_what.items()
        for each in (fewest, *more)
    ]
    return table(("For each", "Rows", "CPU, µs", "read, KiB", "written, KiB"), rows)


def beside(figure: float, base: float) -> str:
    return f"{significant(figure)} ({figure / base:.2f})" if base else significant(figure)
