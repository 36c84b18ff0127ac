"""Deploys: processes of two releases side by side, and jobs of a release that is gone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit import audited
from checks import UV
from matrix import fault, on_every_engine, on_every_engine_by_turns
from process import until
from report import Recorder
from service import Service, running

pytestmark = pytest.mark.slow

HEALTHY = 20
EACH = 5
ADD_COLUMNS = """
import asyncio
from app.database.engines import create_engine
from app.settings import get_settings

async def main() -> None:
    engine = create_engine(get_settings().database_url)
    async with engine.begin() as connection:
        for table in ("jobs", "users"):
            await connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN remark TEXT")
    await engine.dispose()

asyncio.run(main())
"""


@pytest.fixture
def impatient_service(project: Path, tmp_path: Path) -> Iterator[Service]:
    with running(project, tmp_path, JOBS_UNKNOWN_SECONDS="3") as service:
        yield service


@fault(
    "A deploy removes a task that has waiting jobs, and changes the arguments of another one",
    promise="these jobs wait for `JOBS_UNKNOWN_SECONDS`, then fail with a reason; the others run",
)
@on_every_engine
def test_jobs_that_no_longer_fit(impatient_service: Service, cell: Recorder) -> None:
    service = impatient_service
    removed = service.enqueue(2, task="removed", delay=10)
    reshaped = service.enqueue(2, task="reshaped", first=2, delay=10)
    service.enqueue(HEALTHY, 0.05, first=4, delay=10)
    for process in {*service.webs, *service.workers}:
        process.stop()
    service.environment["PROBE_RELEASE"] = "next"
    service.start()
    until("all jobs to end", 300, service.all_ended)
    audit = audited(service, 4 + HEALTHY)
    assert audit.succeeded == HEALTHY
    for job in removed:
        assert service.read(job)["error"] == "UnknownCall: the code has no task of this name"
    for job in reshaped:
        assert service.read(job)["error"] == (
            "UnknownCall: its arguments do not fit: missing a required argument: 'reason'"
        )
    assert service.worker.logged("job failed") == 4
    cell(audit, "each failure was logged once")


@fault(
    "A rolling deploy adds columns, a task and an optional argument, and removes a task",
    promise="all processes stay ready, every job runs once where its task is known, and none fails",
)
@on_every_engine_by_turns
def test_rolling_deploy(project: Path, tmp_path: Path, cell: Recorder) -> None:
    service = Service(project, tmp_path, webs=2, workers=2)
    old_web, new_web = service.webs
    old_worker, new_worker = service.workers
    old_url, new_url = service.urls
    for process in (new_web, new_worker):
        process.set(PROBE_RELEASE="next", PROBE_COLUMNS="1")

    def are_ready(*urls: str) -> bool:
        return all(service.answers("/health/ready", url) for url in urls)

    try:
        for process in {service.broker, old_web, old_worker} - {None}:
            process.start()
        until("the old release", 180, lambda: are_ready(old_url))
        service.enqueue(EACH, task="removed", url=old_url, delay=15)
        assert service.register("before", old_url)[0] == 201
        add_columns = [UV, "run", "python", "-c", ADD_COLUMNS]
        subprocess.run(add_columns, cwd=project, env=service.environment, check=True)
        assert service.register("between", old_url)[0] == 201
        # Against the advice to deploy workers first.
        new_web.start()
        until("the new web process", 180, lambda: are_ready(old_url, new_url))
        service.enqueue(EACH, task="added", first=EACH, url=new_url)
        service.enqueue(EACH, "more", task="grown", first=2 * EACH, url=new_url)
        if old_worker is not old_web:
            misses = 2 * EACH
            until("misses", 180, lambda: old_worker.has_logged("UnknownCall", misses))
        new_worker.start() if new_worker is not new_web else None
        service.enqueue(EACH, task="grown", first=3 * EACH, url=old_url)
        service.enqueue(EACH, task="removed", first=4 * EACH, url=old_url)
        assert service.register("after", old_url)[0] == service.register("new", new_url)[0] == 201
        took = until("all jobs to succeed", 300, lambda: service.all_succeeded(old_url))
        assert are_ready(old_url, new_url)
        misses = old_worker.logged("UnknownCall") + new_worker.logged("UnknownCall")
        jobs = service.count(url=old_url)
        audit = audited(service, jobs)
        assert (audit.failed, audit.started_again) == (0, 0)
        assert jobs == 5 * EACH + 4 * 2
        for page in (service.jobs("succeeded", 100), service.jobs("succeeded", 100, new_url)):
            tries_used = {
                job["task"]: job["attempts"] - job["max_tries"] + 5
                for job in page["items"]
                if job["task"] in ("added", "grown", "removed")
            }
            assert tries_used == {"added": 1, "grown": 1, "removed": 1}
        for process in {old_web, old_worker}:
            process.stop()
        until("the new release alone", 60, lambda: are_ready(new_url))
        assert service.register("alone", new_url)[0] == 201
        until("the last jobs", 180, lambda: service.all_succeeded(new_url))
    finally:
        service.stop()
    cell(audit, f"jobs were put off {misses} times", f"all had succeeded after {took:.1f} s")
