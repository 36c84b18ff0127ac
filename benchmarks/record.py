"""What a run has measured, kept for pages that are written again: it takes long to measure it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison import Comparison, Goal
from benchmarks.page import Run, Section
from benchmarks.profiles import Explanation, Profile, Touched, Wait


def save(run: Run, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(run)), encoding="utf-8")


def load(file: Path) -> Run:
    found = json.loads(file.read_text(encoding="utf-8"))
    sections = [
        Section(**{**each, "comparisons": [comparison(row) for row in each["comparisons"]]})
        for each in found["sections"]
    ]
    return Run(**{**found, "sections": sections, "why": explanation(found["why"])})


def explanation(found: dict[str, Any]) -> Explanation:
    return Explanation(
        {base: [Profile(**each) for each in parts] for base, parts in found["of_parts"].items()},
        [Profile(**each) for each in found["of_whole_requests"]],
        [Wait(**each) for each in found["of_waiting"]],
        [Touched(**each) for each in found["of_size"]],
    )


def comparison(row: dict[str, Any]) -> Comparison:
    return Comparison(**{**row, "goal": row["goal"] and Goal(**row["goal"])})
