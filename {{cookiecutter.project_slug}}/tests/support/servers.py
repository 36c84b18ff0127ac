"""Tells which servers the tests used, and what could not be proved without a real one."""

import os
from typing import Any, ClassVar

import pytest


class Servers:
    """A plugin. With pytest-xdist, each worker hands its lines over to the main process."""

    NAME: ClassVar = "servers"

    def __init__(self) -> None:
        self._lines: set[str] = set()

    def use(self, description: str, missing: str | None = None) -> None:
        self._lines.add(f"used {description}")
        if missing and os.environ.get("REQUIRE_REAL_SERVERS") == "1":
            pytest.fail(f"REQUIRE_REAL_SERVERS=1, but only {description} was found")
        if missing:
            self._lines.add(
                "NOT PROVED: that jobs survive a restart of the broker. "
                f"To prove it, install {missing}"
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[self.NAME] = sorted(self._lines)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - of pytest-xdist
        self._lines.update(getattr(node, "workeroutput", {}).get(self.NAME, []))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("servers")
        for line in sorted(self._lines, reverse=True):
            terminalreporter.line(line)
