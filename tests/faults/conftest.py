"""Each engine on each database, with tasks that note what happens to them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checks import UV, environment
from service import Service, running
from template import combinations, name_of, render

PROBE = Path(__file__).parent / "probe.py"


@pytest.fixture(scope="session", params=combinations("engine", "database"), ids=name_of)
def project(
    request: pytest.FixtureRequest, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    project = render(sources, request.param, tmp_path_factory.mktemp("projects"))
    shutil.copy(PROBE, project / "app" / "probe.py")
    registry = project / "app" / "tasks.py"
    registry.write_text(f"{registry.read_text()}\nfrom app import probe as probe\n")
    subprocess.run([UV, "sync", "--quiet"], cwd=project, env=environment(), check=True)
    return project


@pytest.fixture
def service(project: Path, tmp_path: Path) -> Iterator[Service]:
    with running(project, tmp_path) as service:
        yield service
