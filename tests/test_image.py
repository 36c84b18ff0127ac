"""The steps of the Dockerfile without Docker: unprivileged, read-only, set up for production."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml
from checks import UV, environment
from demo import call, is_ready
from ports import free_port
from servers import find_redis_server
from template import CHOICES, render

PATIENCE_SECONDS = 120
NOBODY = 10001
PASSWORD = "p@ss/w:rd"  # noqa: S105 - with characters that a URL must escape
# Without SMTP_HOST, production sends no mail, and writes no file instead.
PRODUCTION = {
    "ENVIRONMENT": "production",
    "OPS_TOKEN": secrets.token_urlsafe(32),
    "API_TOKEN": secrets.token_urlsafe(32),
    "TRUSTED_HOSTS": "127.0.0.1",
    "SMTP_HOST": "",
}
IS_ROOT = os.geteuid() == 0
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if IS_ROOT else {}


def nobody_can_run(python: str) -> bool:
    with suppress(PermissionError):
        return subprocess.run([python, "-c", ""], **AS_NOBODY).returncode == 0
    return False


@dataclass
class Stage:
    """The instructions of a Dockerfile between two FROMs."""

    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [words for instruction, words in self.steps if instruction == name]

    def command(self, name: str) -> list[str]:
        """The exec form, because a shell would not pass signals on to the process."""
        [words] = self.all(name)
        command: list[str] = json.loads(words[words.index("[") :])
        return command


def read_dockerfile(project: Path) -> tuple[Stage, Stage]:
    text = (project / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    stages: list[Stage] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, words = line.partition(" ")
        if instruction == "FROM":
            stages.append(Stage())
        stages[-1].steps.append((instruction, words.strip()))
    *_, build, final = stages
    return build, final


class Image:
    """A folder used as the root of the image, with its paths, user and environment."""

    def __init__(self, project: Path, root: Path) -> None:
        self.root = root
        self.build_stage, self.final_stage = read_dockerfile(project)
        self._project = project
        for name in ("tmp", "data", "srv"):
            (root / name).mkdir()
            if IS_ROOT:
                os.chown(root / name, NOBODY, NOBODY)
        # Ours may be in a home directory that nobody else can enter.
        (root / "bin").mkdir()
        shutil.copy(UV, root / "bin" / "uv")
        self.environment = environment()
        self.environment["PATH"] = f"{root / 'bin'}{os.pathsep}{self.environment['PATH']}"
        # Only the files of the image, and no cache.
        self.environment |= {
            "HOME": str(root / "tmp"),
            "TMPDIR": str(root / "tmp"),
            "UV_CACHE_DIR": str(root / "tmp" / "cache"),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        if nobody_can_run(sys.executable):
            self.environment["UV_PYTHON"] = sys.executable

    def inside(self, text: str) -> str:
        """Replaces /srv and /data by folders of the root. PATH keeps the folders of the machine."""
        return re.sub(r"(?<![\w.])/(srv|data)\b", rf"{self.root}/\1", text)

    def set(self, assignments: str) -> None:
        for name, value in re.findall(r"(\w+)=(\S*)", assignments):
            whole = self.inside(value).replace("$PATH", self.environment["PATH"])
            self.environment[name] = whole

    def start(self, command: list[str] | str, **extra: str) -> subprocess.Popen[str]:
        own = self.environment | extra
        words = ["sh", "-c", command] if isinstance(command, str) else command
        # Popen would search the PATH of the caller, not that of the image.
        program = shutil.which(words[0], path=own["PATH"])
        assert program, f"the image has no {words[0]}"
        return subprocess.Popen(
            [program, *words[1:]],
            cwd=self.root / "srv",
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            **AS_NOBODY,
        )

    def run(self, command: list[str] | str, **extra: str) -> str:
        process = self.start(command, **extra)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, f"{command}\n{output}"
        return output

    def build(self) -> None:
        for instruction, words in self.build_stage.steps:
            if instruction == "ENV":
                self.set(words)
            elif instruction == "COPY":
                self._copy(words)
            elif instruction == "RUN":
                self.run(re.sub(r"--mount=\S+ ", "", words))
        for instruction, words in self.final_stage.steps:
            if instruction == "ENV":
                self.set(words)
            elif instruction == "COPY":
                self._copy(words)

    def _copy(self, words: str) -> None:
        """Both stages have the same root, so nothing is copied from one to the other."""
        if words.startswith("--from="):
            return
        *patterns, target = words.split()
        for pattern in patterns:
            for source in self._project.glob(pattern):
                self._copy_one(source, self.root / "srv" / target)

    def _copy_one(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        if IS_ROOT:
            target = target / source.name if target.is_dir() and source.is_file() else target
            for path in [target, *target.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)

    def make_read_only(self) -> None:
        for path in [self.root / "srv", *(self.root / "srv").rglob("*")]:
            if path.is_symlink():
                continue
            if IS_ROOT:
                os.chown(path, 0, 0)
            path.chmod(path.stat().st_mode & ~0o222)


@contextmanager
def built(project: Path) -> Iterator[Image]:
    # Not a folder of pytest, which other users cannot enter.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        image = Image(project, root)
        image.build()
        image.make_read_only()
        yield image


def wait_until(what: str, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"timed out, waiting for {what}"
        time.sleep(0.05)
    return found


@contextmanager
def running(image: Image, command: list[str], **extra: str) -> Iterator[subprocess.Popen[str]]:
    process = image.start(command, **extra)
    try:
        yield process
        # One signal to the first process, as a container engine sends it.
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode in (0, -signal.SIGTERM), output
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            print(process.communicate()[0])


@contextmanager
def redis(services: dict[str, Any], project: Path, folder: Path) -> Iterator[str]:
    """Its URL has an escaped password, a database and an option."""
    port = free_port()
    url = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/3?health_check_interval=30"
    if "redis" not in services:
        yield url
        return
    program, *options = services["redis"]["command"]
    assert program == "redis-server"
    command = [find_redis_server(project), *options, "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--requirepass", PASSWORD, "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            yield url
        finally:
            server.terminate()


@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_the_image_works_unprivileged_and_read_only(
    engine: str, sources: Path, tmp_path: Path
) -> None:
    answers = {"engine": engine, "database": "sqlite", "project_slug": "imaged"}
    project = render(sources, answers, tmp_path)
    services = yaml.safe_load((project / "compose.yaml").read_text(encoding="utf-8"))["services"]
    with built(project) as image:
        is_unprivileged_and_builds_nothing(image.final_stage)
        can_write_only_to_its_data(image)
        answers_a_request_and_runs_its_jobs(image, services, project, tmp_path)


def test_an_outdated_lock_file_fails_the_build(sources: Path, tmp_path: Path) -> None:
    answers = {"engine": "arq", "database": "sqlite", "project_slug": "imaged"}
    project = render(sources, answers, tmp_path)
    subprocess.run([UV, "lock", "--quiet"], cwd=project, env=environment(), check=True)
    file = project / "pyproject.toml"
    file.write_text(re.sub(r'    "arq.*\n', "", file.read_text(encoding="utf-8")), "utf-8")
    with pytest.raises(AssertionError, match="lockfile"), built(project):
        pass


def is_unprivileged_and_builds_nothing(stage: Stage) -> None:
    assert stage.all("USER") == [str(NOBODY)]
    assert not any(re.search(r"\b(uv|pip|apt-get)\b", run) for run in stage.all("RUN"))


def can_write_only_to_its_data(image: Image) -> None:
    image.run('! touch app/x 2>/dev/null && ! touch .venv/x 2>/dev/null && touch "$HOME/x"')


def answers_a_request_and_runs_its_jobs(
    image: Image, services: dict[str, Any], project: Path, folder: Path
) -> None:
    web, port = services["web"], free_port()
    with redis(services, project, folder) as redis_url:
        given = {name: image.inside(str(value)) for name, value in web["environment"].items()}
        given |= PRODUCTION
        given = {
            name: redis_url if value.startswith("redis://") else value
            for name, value in given.items()
        }
        given["HOSTNAME"] = socket.gethostname()
        image.run(services["migrate"]["command"], **given)
        # Another process of this machine may use the port of the image.
        everywhere = "0.0.0.0"  # noqa: S104 - this test listens on 127.0.0.1
        listen = [
            word.replace(everywhere, "127.0.0.1") for word in image.final_stage.command("CMD")
        ]
        with running(image, listen, UVICORN_PORT=str(port), **given):
            base = f"http://127.0.0.1:{port}"
            wait_until("readiness", lambda: is_ready(base))
            health = image.final_stage.command("HEALTHCHECK")
            image.run([word.replace("8000", str(port)) for word in health], **given)
            if "worker" in services:
                with running(image, services["worker"]["command"], **given):
                    see_jobs_succeed(base)
                    ask_worker(image, services["worker"]["healthcheck"], given)
                    empty(redis_url)
                    wait_until(
                        "the worker to be healthy with an empty Redis",
                        lambda: is_healthy(image, services["worker"]["healthcheck"], given),
                    )
            else:
                see_jobs_succeed(base)


def ask_worker(image: Image, health: dict[str, Any], given: dict[str, str]) -> None:
    image.run(health["test"].replace("$$", "$"), **given)


def is_healthy(image: Image, health: dict[str, Any], given: dict[str, str]) -> bool:
    with suppress(AssertionError):
        ask_worker(image, health, given)
        return True
    return False


def empty(redis_url: str) -> None:
    url = urlsplit(redis_url)
    with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
        connection.sendall(f"AUTH {PASSWORD}\r\nFLUSHALL\r\nQUIT\r\n".encode())
        assert connection.makefile().read().splitlines() == ["+OK"] * 3


def see_jobs_succeed(base: str) -> None:
    user = {"email": "ada@example.com", "full_name": "Ada Lovelace"}
    _, answer = call("POST", f"{base}/users", user)
    assert answer["jobs"]
    for job in answer["jobs"]:
        wait_until("success", lambda job=job: has_succeeded(f"{base}{job['url']}"))


def has_succeeded(url: str) -> bool:
    return bool(call("GET", url)[1]["status"] == "succeeded")
