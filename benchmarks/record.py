"""What a run has measured, kept for pages that are written again: it takes long to measure it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison import Comparison, Goal
from benchmarks.page import Run, Section
from benchmarks.profiles import Profile


def save(run: Run, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(run)), encoding="utf-8")


def load(file: Path) -> Run:
    found = json.loads(file.read_text(encoding="utf-8"))
    sections = [
        Section(**{**each, "comparisons": [comparison(row) for row in each["comparisons"]]})
        for each in found["sections"]
    ]
    profiles = [Profile(**each) for each in found["profiles"]]
    return Run(**{**found, "sections": sections, "profiles": profiles})


def comparison(row: dict[str, Any]) -> Comparison:
    return Comparison(**{**row, "goal": row["goal"] and Goal(**row["goal"])})
