"""Renders a service, starts it, creates a user and waits until the user's jobs have succeeded.

demo.py ENGINE DATABASE [FOLDER]
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checks import UV, environment
from ports import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 90
# Requests to this machine must not go through a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


Service = subprocess.Popen[bytes]


class Failure(Exception):
    """Its text is shown to the user."""


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def render(project: Path, engine: str, database: str) -> None:
    shutil.rmtree(project, ignore_errors=True)
    command = ["cookiecutter", str(ROOT), "--no-input", "--default-config"]
    output = ["--output-dir", str(project.parent)]
    answers = [f"project_name={project.name}", f"engine={engine}", f"database={database}"]
    subprocess.run([*command, *output, *answers], check=True, stdout=subprocess.DEVNULL)


def own_settings(database: str) -> dict[str, str]:
    """Private servers on free ports, whatever the user's environment contains."""
    database_url = {
        "sqlite": "sqlite:///app.db",
        "postgresql": f"postgresql://app:app@127.0.0.1:{free_port()}/app",
    }
    return {
        "PORT": str(free_port()),
        "DATABASE_URL": database_url[database],
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "BROKER_URL": "",
        "ENVIRONMENT": "development",
        "SMTP_HOST": "",
        "WEBHOOK_URL": "",
        "PYTHONUNBUFFERED": "1",
    }


def call(method: str, url: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - our own URL
    try:
        with OPENER.open(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


@contextmanager
def running(project: Path, log: Path, settings: dict[str, str]) -> Iterator[Service]:
    """Runs `make dev` in its own process group."""
    with log.open("wb") as output:
        service = subprocess.Popen(
            ["make", "dev"],
            cwd=project,
            env=environment(**settings),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield service
    finally:
        stop(service)


def stop(service: Service) -> None:
    if service.poll() is not None:
        return
    os.killpg(service.pid, signal.SIGTERM)
    try:
        service.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(service.pid, signal.SIGKILL)
        raise Failure("the service did not stop after SIGTERM") from None


def wait_until(what: str, service: Service, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if service.poll() is not None:
            raise Failure(f"the service ended with exit status {service.returncode}")
        if time.monotonic() > deadline:
            raise Failure(f"timed out after {PATIENCE_SECONDS} s, waiting for {what}")
        time.sleep(0.05)


def is_ready(base: str) -> bool:
    try:
        return call("GET", base + "/health/ready")[0] == 200
    except OSError:
        return False


def register_user(base: str) -> dict[str, Any]:
    user = {"email": "ada@example.com", "full_name": "Ada Lovelace"}
    say(f"POST /users {json.dumps(user)}")
    status, answer = call("POST", base + "/users", user)
    if status != 201:
        raise Failure(f"POST /users answered {status}: {answer}")
    print(f"    201, user {answer['id']}, {len(answer['jobs'])} jobs", flush=True)
    return answer


def has_succeeded(base: str, job: dict[str, Any]) -> bool:
    """Prints each status when it is first seen."""
    code, now = call("GET", base + job["url"])
    if code != 200:
        raise Failure(f"GET {job['url']} answered {code}: {now}")
    if now["status"] != job.get("seen"):
        job["seen"] = now["status"]
        print(f"    {job['task']:<32} {now['status']}, attempts: {now['attempts']}", flush=True)
    if now["status"] == "failed":
        raise Failure(f"the job failed: {now}")
    return bool(now["status"] == "succeeded")


def try_it(service: Service, base: str) -> None:
    wait_until("GET /health/ready", service, lambda: is_ready(base))
    jobs = register_user(base)["jobs"]
    if not jobs:
        raise Failure("the user has no jobs")
    say("GET the jobs until they have succeeded")
    for job in jobs:
        wait_until(f"end of {job['url']}", service, lambda job=job: has_succeeded(base, job))


def main(engine: str, database: str, folder: str = str(ROOT / "build")) -> None:
    project = Path(folder) / f"demo-{engine}-{database}"
    say(f"Rendering {project}")
    render(project, engine, database)
    say("Installing its dependencies: uv sync")
    subprocess.run([UV, "sync", "--quiet"], cwd=project, env=environment(), check=True)

    log, settings = project / "demo.log", own_settings(database)
    base = f"http://127.0.0.1:{settings['PORT']}"
    say(f"Starting it at {base}: make dev")
    try:
        with running(project, log, settings) as service:
            try_it(service, base)
            say("Stopping it")
    except Failure as failure:
        print(*log.read_text(errors="replace").splitlines()[-40:], sep="\n", file=sys.stderr)
        sys.exit(f"FAILED: {failure}")
    say("Done")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped
    main(*sys.argv[1:])
