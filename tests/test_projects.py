"""What is generated installs, and passes its own linters, type checker and tests."""

from pathlib import Path

import pytest
from checks import CHECKS, run_check
from template import CHOICES, name_of, render


@pytest.mark.long
@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_the_projects_pass_their_own_checks(engine: str, sources: Path, tmp_path: Path) -> None:
    # Both are installed in one place: the type checker reads the libraries that they share once.
    shared = {
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
        "MYPY_CACHE_DIR": str(tmp_path / "types"),
    }
    failed = []
    for database in CHOICES["database"]:
        answers = {"engine": engine, "database": database}
        project = render(sources, answers, tmp_path)
        results = {check: run_check(check, project, **shared) for check in CHECKS}
        failed += [
            f"{name_of(answers)}, {check}:\n{result.tail()}"
            for check, result in results.items()
            if not result.passed
        ]
    if failed:
        pytest.fail("\n\n".join(failed), pytrace=False)
