"""Keeps what a run has measured, so that the pages can be written again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison import Comparison, Goal
from benchmarks.page import Run, Section


def save(run: Run, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(run)), encoding="utf-8")


def load(file: Path) -> Run:
    found = json.loads(file.read_text(encoding="utf-8"))
    sections = [
        Section(**{**each, "comparisons": [comparison(row) for row in each["comparisons"]]})
        for each in found["sections"]
    ]
    return Run(**{**found, "sections": sections})


def comparison(row: dict[str, Any]) -> Comparison:
    return Comparison(**{**row, "goal": row["goal"] and Goal(**row["goal"])})
