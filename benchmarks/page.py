"""docs/PERFORMANCE.md and its plots, from what one run has measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.comparison import Comparison, Goal, spread
from benchmarks.figures import FIGURES
from benchmarks.plot import plot

PROSE = Path(__file__).with_name("performance.md")
HEAD = ("Case", "Unit", "Service", "Reference", "Ratio", "Goal", "Reference is")
VERDICTS = {True: "met", False: "**not met**", None: "nothing to compare with"}


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    text: str
    comparisons: list[Comparison]

    @property
    def judged(self) -> dict[Goal, list[Comparison]]:
        """The cases of each goal."""
        found: dict[Goal, list[Comparison]] = {}
        for each in self.comparisons:
            if each.goal and each.judged:
                found.setdefault(each.goal, []).append(each)
        return found


@dataclass(frozen=True)
class Run:
    sections: list[Section]
    versions: dict[str, str]
    machine: str
    minutes: float


def write_page(run: Run, folder: Path) -> None:
    plots = folder / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    for section in run.sections:
        if section.judged:
            (plots / f"{section.name}.svg").write_text(plot(section.comparisons), encoding="utf-8")
    (folder / "PERFORMANCE.md").write_text(page(run), encoding="utf-8")


def page(run: Run) -> str:
    return PROSE.read_text(encoding="utf-8").format(
        machine=run.machine,
        versions=", ".join(f"{name} {version}" for name, version in run.versions.items()),
        minutes=f"{run.minutes:.0f}",
        goals=goals(run.sections),
        figures="\n".join(figure(*numbered) for numbered in enumerate(run.sections, start=1)),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals(sections: list[Section]) -> str:
    head = ("Goal", "Bound", "Met", "Worst case", "Figure")
    return table(head, [verdict(section, goal) for section in sections for goal in section.judged])


def verdict(section: Section, goal: Goal) -> list[str]:
    own = section.judged[goal]
    bad = min if goal.least is not None else max
    worst = bad(own, key=lambda comparison: median(comparison.judged))
    met = sum(bool(comparison.is_met) for comparison in own)
    said = "yes" if met == len(own) else f"**in {met} of {len(own)} cases**"
    case = f"{', '.join(worst.case)}: {significant(median(worst.judged))}"
    return [goal.what, str(goal), said, case, f"[{section.title}](#{section.name})"]


def missing(run: Run) -> list[str]:
    """The figures that were not measured, and the goals that were not judged."""
    measured = {section.name for section in run.sections}
    judged = {goal for section in run.sections for goal in section.judged}
    wanted = [goal for figure in FIGURES.values() for goal in figure.GOALS]
    figures = [name for name in FIGURES if name not in measured]
    return figures + [goal.what for goal in wanted if goal not in judged]


def figure(number: int, section: Section) -> str:
    parts = [f'<a id="{section.name}"></a>', f"## {number}. {section.title}", "", section.text, ""]
    if section.judged:
        parts += [f"![{section.title}](performance/{section.name}.svg)", ""]
    return "\n".join([*parts, table(HEAD, [row(each) for each in section.comparisons]), ""])


def row(comparison: Comparison) -> list[str]:
    goal = f"{comparison.goal}: {VERDICTS[comparison.is_met]}" if comparison.goal else ""
    figures = (comparison.ours, comparison.reference, comparison.ratios)
    shown = map(with_spread, figures)
    return [", ".join(comparison.case), comparison.unit, *shown, goal, comparison.against]


def with_spread(values: list[float]) -> str:
    if not values:
        return "-"
    found = spread(values)
    if len(values) == 1:
        return significant(found.median)
    return f"{significant(found.median)} ({significant(found.low)} to {significant(found.high)})"


def short(comparison: Comparison) -> str:
    ratio = f", ratio {with_spread(comparison.ratios)}" if comparison.ratios else ""
    return f"{with_spread(comparison.ours)} {comparison.unit}{ratio}"


def significant(value: float) -> str:
    """Three digits, or more before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
