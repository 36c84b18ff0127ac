"""Services of each engine on each database, with tasks that write notes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from project import installed, versions
from report import Recorder, Report
from service import Service, running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--guarantees", type=Path, help="write this page, if no result is missing")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(config.getoption("guarantees", None)))


@pytest.fixture
def project(request: pytest.FixtureRequest, sources: Path, shared: Path) -> Path:
    return installed(sources, request.param, shared)


@pytest.fixture
def cell(request: Any, project: Path) -> Recorder:
    answers = request.node.callspec.params["project"]
    return Recorder(request.node, answers, versions(project))


@pytest.fixture
def service(project: Path, tmp_path: Path) -> Iterator[Service]:
    with running(project, tmp_path) as service:
        yield service
