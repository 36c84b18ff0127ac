"""A progress bar and a table for the terminal."""

import sys
from collections.abc import Iterable, Sequence

WIDTH = 30


def show_bar(done: int, total: int, what: str) -> None:
    """On a terminal the bar moves. In a log, each tenth is a line."""
    filled = WIDTH * done // total
    bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total} {what}"
    if sys.stdout.isatty():
        print(f"\r\x1b[K{bar}", end="\n" if done == total else "", flush=True)
    elif done == total or done * 10 // total > (done - 1) * 10 // total:
        print(bar, flush=True)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [header, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
