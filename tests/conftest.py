"""Copies of the template to render from, and the summary of what a test run left out."""

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from servers import LEFT_OUT
from template import copy_sources, memoise_jinja

memoise_jinja()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, because tests of a service also wait for it."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests start first, so that all cores finish at about the same time."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found]
    left_out = Counter(
        f"skipped: {report.longrepr[2].removeprefix('Skipped: ')}"
        for report in terminalreporter.stats.get("skipped", [])
    )
    left_out.update(
        value
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == LEFT_OUT
    )
    if left_out:
        terminalreporter.section("left out on this machine", yellow=True, bold=True)
    for reason, tests in sorted(left_out.items()):
        terminalreporter.line(f"{tests} {'test' if tests == 1 else 'tests'} {reason}", yellow=True)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("sources") / "template")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = copy_sources(tmp_path_factory.mktemp("repository") / "template")
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    commit = [*author, "commit", "--quiet", "--message=Template"]
    for command in (["init", "--quiet"], ["add", "--all"], commit):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory shared by all processes of the test run."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if own.name.startswith("popen-") else own) / "shared"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which no tool reads or writes the files of the user."""
    path = tmp_path_factory.mktemp("home")
    return os.environ | {
        "HOME": str(path),
        "XDG_CONFIG_HOME": str(path / "config"),
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
