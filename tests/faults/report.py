"""Collects the results of the tests, and writes docs/GUARANTEES.md if none is missing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from matrix import ENGINES, faults
from page import write_page


@dataclass(frozen=True)
class Cell:
    test: str
    place: list[Any]
    what: str
    promise: str
    elsewhere: str
    engine: str
    database: str
    versions: dict[str, str]
    verdict: str
    figures: str


@dataclass
class Report:
    """Lives in the process that receives the reports of all processes."""

    page: Path | None
    cells: list[Cell] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            cells = [Cell(**value) for name, value in report.user_properties if name == "cell"]
            self.cells += cells
            self.silent += [] if cells else [report.nodeid]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.page and exitstatus == 0:
            if self.gaps():
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            else:
                # Replaced at once, so that no reader sees half a page.
                new = self.page.with_suffix(".new")
                new.write_text(write_page(self.cells), encoding="utf-8")
                new.replace(self.page)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for cell in sorted(self.cells, key=lambda cell: (cell.place, cell.engine)):
            where = f"{cell.engine}, {cell.database}"
            terminalreporter.write_line(f"{cell.test}\n  {where}: {cell.verdict}: {cell.figures}")
        for gap in self.gaps() if self.page else ():
            terminalreporter.write_line(f"{self.page} was not written: it lacks {gap}", red=True)

    def gaps(self) -> list[str]:
        found = [f"the result of {test}" for test in self.silent]
        for test in faults():
            cells = [cell for cell in self.cells if cell.test == test]
            excused = bool(cells) and cells[0].elsewhere
            missing = set(ENGINES) - {cell.engine for cell in cells}
            if missing and not excused:
                found.append(f"{test} on {', '.join(sorted(missing))}")
        return found


class Recorder:
    """Records the result of one test."""

    def __init__(self, node: pytest.Function, answers: dict[str, str], versions: dict[str, str]):
        marker = node.get_closest_marker("fault")
        assert marker, f"{node.name} has no @fault"
        self._node = node
        self._about: dict[str, Any] = {
            "test": node.originalname,
            "place": [node.path.name, node.function.__code__.co_firstlineno],
            "versions": versions,
            **marker.kwargs,
            **answers,
        }

    def __call__(self, *figures: object, verdict: str = "kept") -> None:
        said = "; ".join(str(figure) for figure in figures)
        cell = {**self._about, "verdict": verdict, "figures": said}
        self._node.user_properties.append(("cell", cell))
