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
    for check in CHECKS:
        result = run_check(check, project)
        if not result.passed:
            pytest.fail(f"{name_of(answers)}, {check}:\n{result.tail()}", pytrace=False)
