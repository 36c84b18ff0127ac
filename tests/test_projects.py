"""What is generated installs, and passes its own linters, type checker and tests."""

from pathlib import Path

import pytest
from checks import CHECKS, Result, run_check
from template import CHOICES, name_of, render

ENGINES, DATABASES = CHOICES["engine"], CHOICES["database"]
# What an engine owes on every database. The other tests know no engine: each one is tried on
# all engines and on all databases, but not on all pairs; `make check-all` does that.
OWED = [f"tests/test_{name}.py" for name in ("contract", "outages", "undisturbed")]


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_the_projects_pass_their_own_checks(engine: str, sources: Path, tmp_path: Path) -> None:
    # Both are installed in one place: the type checker reads the libraries that they share once.
    shared = {
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
        "MYPY_CACHE_DIR": str(tmp_path / "types"),
    }
    whole = DATABASES[ENGINES.index(engine) % len(DATABASES)]
    failed = []
    for database in DATABASES:
        answers = {"engine": engine, "database": database}
        project = render(sources, answers, tmp_path)
        results: dict[str, Result] = {}
        for check in CHECKS:
            some = OWED if check == "tests" and database != whole else []
            results[check] = run_check(check, project, *some, **shared)
        failed += [
            f"{name_of(answers)}, {check}:\n{result.tail()}"
            for check, result in results.items()
            if not result.passed
        ]
    if failed:
        pytest.fail("\n\n".join(failed), pytrace=False)
