"""Writes docs/GUARANTEES.md from the results of one run."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from matrix import ENGINES
from template import SPEC

if TYPE_CHECKING:
    from report import Cell

PROSE = Path(__file__).with_name("guarantees.md")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
SERVERS = ("redis-server", "postgres")


def write_page(cells: list["Cell"]) -> str:
    by_test: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.place, cell.database != "sqlite")):
        by_test.setdefault(cell.test, []).append(cell)
    rows = [*by_test.values()]
    return PROSE.read_text(encoding="utf-8").format(
        machine=machine(),
        servers=", ".join(version_of(name) for name in SERVERS),
        overview=overview(rows),
        engines="\n".join(section(engine, rows) for engine in ENGINES),
    )


def overview(rows: list[list["Cell"]]) -> str:
    links = " | ".join(f"[{engine}](#{engine})" for engine in ENGINES)
    lines = [f"| Fault | {links} |", "|---" * (len(ENGINES) + 1) + "|"]
    for cells in rows:
        verdicts = (verdict(engine, cells) for engine in ENGINES)
        lines.append(f"| {cells[0].what} | {' | '.join(verdicts)} |")
    return "\n".join(lines)


def verdict(engine: str, cells: list["Cell"]) -> str:
    said = [cell.verdict for cell in cells if cell.engine == engine]
    return "; ".join(dict.fromkeys(said)) or "does not apply"


def section(engine: str, rows: list[list["Cell"]]) -> str:
    own = [cell for cells in rows for cell in cells if cell.engine == engine]
    versions = ", ".join(f"{name} {version}" for name, version in own[0].versions.items())
    label = SPEC["__prompts__"]["engine"][engine]
    lines = [f"## {engine}", "", f"{label}.", ""]
    lines += ["| Fault | Guarantee | Result | Run it |", "|---|---|---|---|"]
    for cells in rows:
        first = cells[0]
        command = f"`make faults ONLY={first.test}`"
        lines.append(f"| {first.what} | {first.promise} | {measured(engine, cells)} | {command} |")
    return "\n".join([*lines, "", f"Measured with {versions}.", ""])


def measured(engine: str, cells: list["Cell"]) -> str:
    own = [cell for cell in cells if cell.engine == engine]
    if not own:
        return f"does not apply: {cells[0].elsewhere}"
    return "<br>".join(
        f"{NAMES[cell.database]}: **{cell.verdict}**. {cell.figures}".replace("|", "\\|")
        for cell in own
    )


def version_of(server: str) -> str:
    if not (program := shutil.which(server)):
        return f"a {server} from a package"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    words = said.replace("v=", " ").split()
    return f"{words[0]} {next(word for word in words if word[0].isdigit())}"


def machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {os.uname().sysname}"
