"""A plot as SVG: a dot for each median, a line between the quartiles, and a mark for each goal.

Written by hand, because a plotting library would be a large dependency for dots and lines. The
colours are readable on white and on black: GitHub shows the same file in both modes.
"""

from collections.abc import Sequence
from html import escape

from benchmarks.comparison import Comparison, spread

ROW, TOP, LEFT, WIDTH, RIGHT = 22, 34, 330, 420, 70
TEXT, DOT, MISSED, GOAL = "#768390", "#3b82c4", "#d1702b", "#2e9e5b"


def plot(comparisons: Sequence[Comparison]) -> str:
    """Shows the cases that have a goal, of one unit."""
    judged = [row for row in comparisons if row.goal and row.judged]
    rows = [row for row in judged if unit_of(row) == unit_of(judged[0])]
    goals = [bound for row in rows for bound in bounds(row)]
    most = max([1, *goals, *(spread(row.judged).high for row in rows)]) * 1.05
    scale = WIDTH / most
    width, height = LEFT + WIDTH + RIGHT, TOP + ROW * len(rows) + 8
    parts = [text(LEFT, 14, unit_of(rows[0]) or "of the reference", "start")]
    for step in ticks(most):
        x = LEFT + scale * step
        parts.append(line(x, TOP - 6, x, height - 8, TEXT, 'stroke-opacity="0.25"'))
        parts.append(text(x, TOP - 10, f"{step:g}", "middle"))
    for position, row in enumerate(rows):
        parts += drawn(row, TOP + ROW * position + ROW / 2, scale)
    font = 'font-family="system-ui, sans-serif" font-size="12"'
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    return "\n".join([opening, *parts, "</svg>\n"])


def unit_of(row: Comparison) -> str:
    return row.goal.unit if row.goal else ""


def bounds(row: Comparison) -> list[float]:
    return [each for each in (row.goal.least, row.goal.most) if each] if row.goal else []


def drawn(row: Comparison, y: float, scale: float) -> list[str]:
    found = spread(row.judged)
    low, middle, high = (LEFT + scale * each for each in (found.low, found.median, found.high))
    colour = DOT if row.is_met else MISSED
    marks = [LEFT + scale * bound for bound in bounds(row)]
    return [
        text(LEFT - 10, y + 4, ", ".join(row.case), "end"),
        *(line(x, y - 9, x, y + 9, GOAL, 'stroke-width="2"') for x in marks),
        line(low, y, high, y, colour, 'stroke-width="2"'),
        f'<circle cx="{middle:.1f}" cy="{y:g}" r="4" fill="{colour}"/>',
        text(LEFT + WIDTH + 8, y + 4, f"{found.median:.2f}", "start"),
    ]


def ticks(most: float) -> list[float]:
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, most) if most / step < 8)
    return [round(step * number, 1) for number in range(int(most / step) + 1)]


def line(x1: float, y1: float, x2: float, y2: float, colour: str, stroke: str) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}"'
    return f'<line {ends} stroke="{colour}" {stroke}/>'


def text(x: float, y: float, content: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {place} fill="{TEXT}">{escape(content)}</text>'
