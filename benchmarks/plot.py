"""A plot as SVG: a dot for each median, a line from quartile to quartile, and the goals.

Written by hand: a plotting library would be a hundred megabytes for dots and lines. Its greys and
colours are read as well on white as on black, because GitHub shows the same file in both modes.
"""

from collections.abc import Sequence
from html import escape

from benchmarks.comparison import Comparison, spread

ROW, TOP, LEFT, WIDTH, RIGHT = 22, 34, 330, 420, 70
TEXT, GRID, DOT, MISSED, GOAL = "#768390", "#768390", "#3b82c4", "#d1702b", "#2e9e5b"


def has_dot(comparison: Comparison) -> bool:
    return bool(values_of(comparison))


def values_of(comparison: Comparison) -> list[float]:
    shows_ours = comparison.goal is not None and comparison.goal.of == "ours"
    return comparison.ours if shows_ours else comparison.ratios


def chosen(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """What has a goal; where nothing has, everything."""
    with_dot = [comparison for comparison in comparisons if has_dot(comparison)]
    return [comparison for comparison in with_dot if comparison.goal] or with_dot


def plot(comparisons: Sequence[Comparison]) -> str:
    rows = chosen(comparisons)
    goals = {g for row in rows if row.goal for g in (row.goal.least, row.goal.most) if g}
    ends = [spread(values_of(row)).high for row in rows]
    most = max([1, *goals, *ends]) * 1.05
    height = TOP + ROW * len(rows) + 8
    unit = "s" if any(row.goal and row.goal.of == "ours" for row in rows) else "of the reference"
    parts = [text(LEFT, 14, unit, "start")]
    for step in ticks(most):
        parts.append(line(x(step, most), TOP - 6, x(step, most), height - 8, GRID, 0.25))
        parts.append(text(x(step, most), TOP - 10, f"{step:g}", "middle"))
    for position, row in enumerate(rows):
        parts += drawn(row, TOP + ROW * position + ROW / 2, most)
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{height}"'
    box = f'viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}"'
    font = 'font-family="system-ui, sans-serif" font-size="12"'
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} {font}>', *parts, "</svg>\n"]
    )


def drawn(row: Comparison, y: float, most: float) -> list[str]:
    found = spread(values_of(row))
    colour = MISSED if row.is_met is False else DOT
    middle = x(found.median, most)
    parts = [text(LEFT - 10, y + 4, ", ".join(row.case), "end")]
    if row.goal:
        for bound in (row.goal.least, row.goal.most):
            if bound is not None:
                parts.append(line(x(bound, most), y - 9, x(bound, most), y + 9, GOAL, 1, 2))
    parts.append(line(x(found.low, most), y, x(found.high, most), y, colour, 1, 2))
    parts.append(f'<circle cx="{middle:.1f}" cy="{y:g}" r="4" fill="{colour}"/>')
    parts.append(text(LEFT + WIDTH + 8, y + 4, f"{found.median:.2f}", "start"))
    return parts


def x(value: float, most: float) -> float:
    return LEFT + WIDTH * value / most


def ticks(most: float) -> list[float]:
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, most) if most / step < 8)
    return [round(step * number, 1) for number in range(int(most / step) + 1)]


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str, opacity: float, width: float = 1
) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}"'
    return f'<line {ends} stroke="{colour}" stroke-opacity="{opacity}" stroke-width="{width}"/>'


def text(x: float, y: float, content: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {place} fill="{TEXT}">{escape(content)}</text>'
