"""docs/GUARANTEES.md has the result of every fault on every engine."""

import re
from pathlib import Path

import pytest
from matrix import faults
from template import CHOICES, ROOT, render

ENGINES = CHOICES["engine"]
PAGE = (ROOT / "docs" / "GUARANTEES.md").read_text(encoding="utf-8")


def rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines][1:]


def test_the_overview_has_a_result_for_every_fault_and_engine() -> None:
    overview = rows(PAGE.partition("\n## ")[0])
    assert [row[0] for row in overview] == [*faults().values()]
    for row in overview:
        assert len(row) == 1 + len(ENGINES)
        assert all(row), f"a result is missing: {row}"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_a_section_with_every_fault(engine: str) -> None:
    section = PAGE.partition(f"\n## {engine}\n")[2].partition("\n## ")[0]
    found = rows(section)
    commands = [f"`make faults ONLY={test}`" for test in faults()]
    assert [row[-1] for row in found] == commands
    assert all(measured for _, _, measured, _ in found)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_project_links_the_section_of_its_engine(
    engine: str, sources: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": engine}, tmp_path)
    page = (project / "docs" / "engine.md").read_text(encoding="utf-8")
    links = re.findall(r"https://\S+/docs/GUARANTEES\.md#([\w-]+)", page)
    assert links == [engine]
