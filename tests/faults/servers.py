"""Finds the servers that tests start: those of the machine, or those that packages bring."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from checks import UV, environment

# A property of a test that passed but left something out. Its value says what and why.
LEFT_OUT = "left out"
INSTALL = {
    name: f"apt-get install {name}"
    for name in ("redis-server", "rabbitmq-server", "pgbouncer", "chromium")
}


def leave_out(server: str) -> NoReturn:
    """Skips the test, and the summary of the run says why. In CI, fails it."""
    reason = f"there is no {server} on this machine: {INSTALL[server]}"
    if os.environ.get("REQUIRE_REAL_SERVERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_redis_server(project: Path) -> Path:
    if own := shutil.which("redis-server") or shutil.which("valkey-server"):
        return Path(own)
    # On some platforms, a development dependency of the project brings one.
    brought = project / ".venv" / "bin" / "redis-server"
    if not brought.exists():
        subprocess.run([UV, "sync", "--quiet"], cwd=project, env=environment(), check=True)
    return brought if brought.exists() else leave_out("redis-server")
