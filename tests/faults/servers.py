"""The servers that tests start: the machine's own, or one that a package of the project brings."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from checks import UV, environment

# The property of a test that passed and left something out; its value says what, and why.
LEFT_OUT = "left out"
INSTALL = {name: f"apt-get install {name}" for name in ("redis-server", "rabbitmq-server")}


def leave_out(server: str) -> NoReturn:
    """Skip the test, which the summary of the run names; in CI, fail it."""
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
