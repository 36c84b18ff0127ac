"""URLs that cannot work, and what says so."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.database import check_database_url
from tests.support.environment import Environ
from tests.support.processes import PROJECT


@pytest.fixture(params=["missing/app.db", "text.db"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "text.db").write_text("This is not a database. " * 100)
    return f"sqlite:///{tmp_path / request.param}"


# A refused connection is closed later: with this fixture, the event loop is still there.
@pytest.mark.usefixtures("shared_database")
async def test_a_url_that_is_refused_ends_the_start_with_one_line(
    url: str, environ: Environ
) -> None:
    environ(DATABASE_URL=url)
    with pytest.raises(SystemExit) as ended:
        await check_database_url()
    [line] = str(ended.value).splitlines()
    assert line.startswith("DATABASE_URL: ")


@pytest.mark.slow
def test_a_refused_url_ends_alembic_with_one_line(url: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=PROJECT,
        env={"DATABASE_URL": url},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    [line] = run.stderr.splitlines()
    assert run.returncode == 1
    assert line.startswith("DATABASE_URL: ")
