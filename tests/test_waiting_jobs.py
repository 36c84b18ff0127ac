"""After a change of the engine, the new engine runs the waiting jobs."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from checks import UV, environment
from demo import call, is_ready, own_settings, running, wait_until
from living import LivingProject
from template import CHOICES
from upstream import Upstream, publish, run

ENQUEUE = """
import asyncio
from datetime import timedelta

from app.database import open_database, utc_now
from app.settings import get_settings
from app.jobs import unit_of_work
from app.users.tasks import send_welcome_email, write_audit_log


async def main() -> None:
    soon = timedelta(seconds=10)
    url = get_settings().database_url
    async with open_database(url) as database, unit_of_work(database) as uow:
        queued = uow.enqueue(write_audit_log, "queued", "ada@example.com")
        uow.enqueue(write_audit_log.options(after=queued), "follower", "ada@example.com")
        uow.enqueue(write_audit_log.options(delay=soon), "delayed", "ada@example.com")
        failed = uow.enqueue(write_audit_log, "failed", "ada@example.com")
        failed.attempts, failed.error, failed.run_at = 1, "OSError: no route", utc_now() + soon
        uow.enqueue(send_welcome_email, "ada@example.com", "Ada Lovelace")


asyncio.run(main())
"""
EVENTS = ["delayed", "failed", "follower", "queued"]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    upstream = publish(tmp_path_factory.mktemp("upstream"))
    upstream.release("v0.1.0")
    return upstream


@pytest.mark.parametrize("engine", CHOICES["engine"][1:])
def test_the_new_engine_runs_waiting_jobs(engine: str, upstream: Upstream, tmp_path: Path) -> None:
    project = LivingProject("copier", upstream, tmp_path)
    settings = own_settings("sqlite")
    for command in (["alembic", "upgrade", "head"], ["python", "-c", ENQUEUE]):
        run(UV, "run", "--quiet", *command, cwd=project.path, env=environment(**settings))
    project.commit()
    project.change_engine(engine)
    run(UV, "sync", "--quiet", cwd=project.path, env=environment())

    base, log = f"http://127.0.0.1:{settings['PORT']}", tmp_path / "service.log"
    try:
        with running(project.path, log, settings) as service:
            wait_until("GET /health/ready", service, lambda: is_ready(base))
            wait_until("end of the jobs", service, lambda: not open_jobs(base))
            jobs = call("GET", base + "/jobs")[1]["items"]
    except BaseException:
        print(log.read_text(errors="replace"))
        raise

    assert [job["status"] for job in jobs] == ["succeeded"] * (len(EVENTS) + 1)
    assert sorted(job["attempts"] for job in jobs) == [1, 1, 1, 1, 2]
    assert [job for job in jobs if job["started_at"] < job["run_at"]] == []
    with closing(sqlite3.connect(project.path / "app.db")) as database:
        entries = database.execute("SELECT event FROM audit_entries ORDER BY event").fetchall()
    assert [event for (event,) in entries] == EVENTS


def open_jobs(base: str) -> list[object]:
    page = call("GET", base + "/jobs")[1]
    return [job for job in page["items"] if job["status"] in ("queued", "running")]
