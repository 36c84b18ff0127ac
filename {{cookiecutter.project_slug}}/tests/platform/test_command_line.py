"""Jobs on the command line."""

import asyncio
import json
import uuid
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner, Result

from app.database import Database
from app.jobs import Job, Status
from app.jobs.__main__ import app
from tests.platform.data import add_job, ago, reread
from tests.support.rows import rows

pytestmark = pytest.mark.slow


async def call(*words: str) -> Result:
    """In a thread, because a command runs an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def add_failed_job(database: Database) -> Job:
    failures = [{"attempt": 5, "started_at": "2026-01-02T03:04:05+00:00", "error": "no route"}]
    failed = {"status": Status.FAILED, "attempts": 5, "error": "no route", "failures": failures}
    return await add_job(database, **failed, finished_at=ago(1))


async def test_jobs_are_listed_and_shown(database: Database) -> None:
    job = await add_failed_job(database)
    other = await add_job(database)
    listed = await call("list", "--status", "failed", "--task", "write_audit_log")
    assert (listed.exit_code, str(job.id) in listed.output) == (0, True)
    assert str(other.id) not in listed.output
    shown = await call("show", str(job.id))
    [failure] = json.loads(shown.output)["failures"]
    assert failure == {"attempt": 5, "started_at": "2026-01-02T03:04:05Z", "error": "no route"}
    # A text among the arguments, which operators do not see.
    assert "ada@example.com" not in shown.output


@pytest.mark.parametrize(
    ("words", "status"),
    [(["retry"], Status.QUEUED), (["retry-failed", "write_audit_log"], Status.QUEUED)],
)
async def test_failed_jobs_are_retried(
    database: Database, words: Sequence[str], status: Status
) -> None:
    job = await add_failed_job(database)
    done = await call(*words, *([] if len(words) > 1 else [str(job.id)]))
    assert done.exit_code == 0, done.output
    assert (await reread(database, job)).status is status


async def test_a_queued_job_is_cancelled_once(database: Database) -> None:
    job = await add_job(database, run_at=ago(-3600))
    assert (await call("run-now", str(job.id))).output == f"made due: {job.id}\n"
    assert (await call("cancel", str(job.id))).output == f"cancelled: {job.id}\n"
    again = await call("cancel", str(job.id))
    assert (again.exit_code, str(again.exception)) == (
        1,
        f"{job.id} cannot be cancelled: `show` tells its status",
    )


async def test_a_task_is_enqueued(database: Database) -> None:
    done = await call("run", "write_audit_log", '{"event": "tried", "subject": "Ada"}')
    [job] = await rows(database, Job)
    assert done.output == f"queued: {job.id}\n"
    assert job.arguments == {"event": "tried", "subject": "Ada"}


@pytest.mark.parametrize(
    "words",
    [
        ("run", "write_audit_log", "{}"),
        ("run", "write_audit_log", "nonsense"),
        ("run", "write_audit_log", '{"event": 1, "subject": "Ada"}'),
        ("run", "unknown"),
        ("show", str(uuid.UUID(int=0))),
        ("cancel", str(uuid.UUID(int=0))),
    ],
)
async def test_a_wrong_call_ends_with_one_line(database: Database, words: Sequence[str]) -> None:
    done = await call(*words)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "\n" not in str(done.exception)
    assert await rows(database, Job) == []


async def test_the_schedules_are_listed(database: Database) -> None:
    assert (await call("schedules")).exit_code == 0
