"""What is generated installs, and passes its own linters, type checker and tests."""

from pathlib import Path

import pytest
from checks import CHECKS, run_check
from template import combinations, name_of, render


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_the_project_passes_its_own_checks(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    project = render(sources, answers, tmp_path)
    results = {check: run_check(check, project) for check in CHECKS}
    failed = [
        f"{name_of(answers)}, {check}:\n{result.tail()}"
        for check, result in results.items()
        if not result.passed
    ]
    if failed:
        pytest.fail("\n\n".join(failed), pytrace=False)
