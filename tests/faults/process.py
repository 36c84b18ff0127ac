"""A process in its own group, which can be signalled as a whole or in part."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def until(what: str, seconds: float, condition: Callable[[], bool]) -> float:
    """Waits for the condition, and returns the seconds it took."""
    started = asked = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now - started < seconds, f"timed out after {seconds} s, waiting for {what}"
        # Evaluating the condition costs time too: on a busy machine, do it less often.
        time.sleep(min(0.1 + 3 * (now - asked), 2))
        asked = time.monotonic()
    return time.monotonic() - started


def children_of(pid: int) -> list[int]:
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in file.read_text().split()]
    return found


def tree_of(pid: int) -> dict[int, list[int]]:
    """The process and its descendants, each with its children."""
    children = children_of(pid)
    tree = {pid: children}
    for child in children:
        tree |= tree_of(child)
    return tree


class Process:
    def __init__(
        self, name: str, command: str, directory: Path, environment: dict[str, str], **own: str
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        # While this file exists, the group must be ended.
        self._mark = directory / f"{name}.group"
        self._command = command
        self._directory = directory
        # Not a copy: changes of the caller apply from the next start.
        self._environment = environment
        self.own_environment = own
        self._process: subprocess.Popen[bytes] | None = None

    def set(self, **own: str) -> None:
        """Sets environment variables of this process, from its next start."""
        self.own_environment |= own

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec {self._command}"],
                cwd=self._environment["PWD"],
                env=self._environment | self.own_environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._mark.write_text(str(self._process.pid))

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def tree(self) -> dict[int, list[int]]:
        return tree_of(self._process.pid) if self._process and self.is_running else {}

    def send_signal(self, number: int) -> None:
        """Signals the whole group."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill_child(self) -> None:
        """Kills a process without children. Its ancestors replace it, or end too."""
        before = self.tree
        victim = next((pid for pid, children in before.items() if not children), None)
        if victim is None:  # it has just ended by itself
            return
        above = {pid for pid, children in before.items() if children}
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        until(
            "a replacement",
            180,
            lambda: bool(self.tree.keys() - above - {victim}) or not self.is_running,
        )

    def stop(self, number: int = signal.SIGKILL, within: float = 180) -> float:
        """Signals the whole group and waits for its leader."""
        self.send_signal(number)
        return self.wait(within)

    def wait(self, within: float) -> float:
        """Waits for the leader of the group, and returns the seconds it took."""
        started = time.monotonic()
        if self._process:
            self._process.wait(within)
            self._mark.unlink(missing_ok=True)
        return time.monotonic() - started

    def has_logged(self, text: str, times: int = 1) -> bool:
        return self.logged(text) >= times

    def logged(self, text: str) -> int:
        """The number of lines that contain the text."""
        if not self.log.exists():
            return 0
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return sum(text in line for line in lines)
