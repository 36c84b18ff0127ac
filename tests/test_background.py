"""The background engine keeps the promises that the other engines do not make."""

import shutil
import subprocess
from pathlib import Path

import pytest
from checks import UV, environment, install
from template import render

TESTS = Path(__file__).parent / "engines" / "background.py"


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_background_keeps_its_own_promises(
    database: str, sources: Path, shared: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": "background", "database": database}, tmp_path)
    install(project, shared / "environments")
    shutil.copy(TESTS, project / "tests" / "platform" / "test_background.py")
    run = subprocess.run(
        [UV, "run", "pytest", "--quiet", "tests/platform/test_background.py"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout
