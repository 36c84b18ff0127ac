"""What a developer types all day: make dev, make worker, make fmt."""

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from checks import environment, install
from demo import call, is_ready, own_settings
from process import tree_of, until
from template import CHOICES, render

# A PostgreSQL that root has started may not read the folders of pytest.
DATABASE = "sqlite"
PATIENCE_SECONDS = 90


class Dev:
    """A project in which `make dev` runs."""

    def __init__(self, project: Path, base: str, make: subprocess.Popen[bytes], log: Path) -> None:
        self.base = base
        self.make = make
        self._log = log
        self._tasks = project / "app" / "users" / "tasks.py"
        self._mails = project / ".dev" / "mail"
        self.seen = {make.pid}

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        def holds() -> bool:
            self.seen |= tree_of(self.make.pid).keys()
            assert self.make.poll() is None, "make dev ended by itself"
            return condition()

        try:
            until(what, PATIENCE_SECONDS, holds)
        except AssertionError as error:
            pytest.fail(f"{error}; the end of the log:\n{self.log[-8000:]}", pytrace=False)

    def edit(self, old: str, new: str) -> None:
        text = self._tasks.read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self._tasks.write_text(text.replace(old, new), encoding="utf-8")

    def greets(self, greeting: str) -> bool:
        """Whether a mail has this subject. Registers one more user, for the next time."""
        with suppress(OSError):  # it is just being reloaded
            user = {"email": f"{secrets.token_hex(8)}@example.com", "full_name": "Ada"}
            call("POST", f"{self.base}/users", user)
        mails = self._mails.glob("*.eml")
        return any(f"Subject: {greeting}, Ada\n" in mail.read_text() for mail in mails)

    def running(self) -> list[int]:
        """The processes seen that have not ended. What is a zombie has."""
        states = {}
        for pid in self.seen:
            with suppress(OSError):
                stat = Path(f"/proc/{pid}/stat").read_text()
                states[pid] = stat.rpartition(")")[2].split()[0]
        return [pid for pid, state in states.items() if state != "Z"]


@contextmanager
def make_dev(project: Path) -> Iterator[Dev]:
    settings = own_settings(DATABASE)
    log = project.parent / "dev.log"
    with log.open("wb") as output:
        make = subprocess.Popen(
            ["make", "dev"],
            cwd=project,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    dev = Dev(project, f"http://127.0.0.1:{settings['PORT']}", make, log)
    try:
        yield dev
    finally:
        dev.seen |= tree_of(make.pid).keys()
        for pid in dev.running():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        make.wait()


@pytest.mark.long
@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_make_dev_reloads_what_is_edited_and_leaves_nothing_behind(
    engine: str, sources: Path, shared: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": engine, "database": DATABASE}, tmp_path)
    install(project, shared / "environments")
    processes = (project / "Procfile").read_text().count(": uv run ")
    with make_dev(project) as dev:
        dev.until("start", lambda: is_ready(dev.base))
        assert f"{dev.base}/docs" in dev.log.splitlines()[0]
        dev.until("mail", lambda: dev.greets("Welcome"))
        dev.edit("Welcome", "Howdy")
        dev.until("mail of the edited task", lambda: dev.greets("Howdy"))
        dev.edit("Howdy", 'Howdy"')
        dev.until("errors", lambda: dev.log.count("SyntaxError: ") >= processes)
        dev.edit('Howdy"', "Good morning")
        dev.until("mail of the mended task", lambda: dev.greets("Good morning"))
        os.killpg(dev.make.pid, signal.SIGINT)  # as Ctrl+C does
        dev.make.wait(PATIENCE_SECONDS)
        until("end of every process", PATIENCE_SECONDS, lambda: not dev.running())


def test_make_worker_says_that_background_has_none(sources: Path, tmp_path: Path) -> None:
    project = render(sources, {"engine": "background"}, tmp_path)
    make = ["make", "worker"]
    done = subprocess.run(make, cwd=project, env=environment(), capture_output=True, text=True)
    assert done.stdout == "There is no worker to start: jobs run in the web process.\n"
    assert done.returncode != 0


def test_make_fmt_formats_although_a_finding_cannot_be_fixed(
    sources: Path, shared: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": "background"}, tmp_path)
    install(project, shared / "environments")
    file = project / "app" / "extra.py"
    file.write_text("import os\nvalue = eval( '1' )\n")
    make = ["make", "fmt"]
    done = subprocess.run(make, cwd=project, env=environment(), capture_output=True, text=True)
    assert file.read_text() == 'value = eval("1")\n'
    assert "S307" in done.stdout
    assert done.returncode != 0
