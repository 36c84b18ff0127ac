"""Which jobs are pruned."""

import logging
import uuid
from datetime import datetime, timedelta

import pytest

from app.database import Database, utc_now
from app.jobs import Job, Status, housekeeping
from app.jobs.housekeeping import prune_jobs
from app.jobs.runtime import perform
from tests.platform.data import add_job, add_running_job, after, store
from tests.support.environment import Environ
from tests.support.rows import rows

pytestmark = pytest.mark.slow


def days_ago(days: float) -> datetime:
    return utc_now() - timedelta(days=days)


async def add_ended(database: Database, days: float, **values: object) -> Job:
    ended: dict[str, object] = {"status": Status.SUCCEEDED, "finished_at": days_ago(days)}
    return await add_job(database, **(ended | values))


async def prune(database: Database) -> None:
    """Until the task enqueues no more jobs."""
    await store(database, prune_jobs.job())
    while queued := [job for job in await rows(database, Job) if job.status is Status.QUEUED]:
        await perform(database, queued[0].id)


async def left(database: Database) -> set[uuid.UUID]:
    return {job.id for job in await rows(database, Job) if job.task != prune_jobs.name}


async def test_old_succeeded_jobs_are_pruned(database: Database) -> None:
    await add_ended(database, 31)
    young = await add_ended(database, 29)
    await prune(database)
    assert await left(database) == {young.id}


async def test_failed_jobs_are_kept_longer(database: Database) -> None:
    await add_ended(database, 366, status=Status.FAILED)
    younger = await add_ended(database, 364, status=Status.FAILED)
    await prune(database)
    assert await left(database) == {younger.id}


async def test_the_retention_can_be_set(database: Database, environ: Environ) -> None:
    environ(JOBS_RETENTION_DAYS="5", JOBS_FAILED_RETENTION_DAYS="3")
    await add_ended(database, 6)
    await add_ended(database, 4, status=Status.FAILED)
    kept = [await add_ended(database, 4), await add_ended(database, 2, status=Status.FAILED)]
    await prune(database)
    assert await left(database) == {job.id for job in kept}


async def test_open_jobs_are_never_pruned(database: Database) -> None:
    old = days_ago(1000)
    queued = await add_job(database, created_at=old, run_at=old)
    running = await add_running_job(database, created_at=old, run_at=old, started_at=old)
    await prune(database)
    assert await left(database) == {queued.id, running.id}


async def test_a_predecessor_of_an_open_job_is_kept(database: Database) -> None:
    first = await add_ended(database, 33, status=Status.SUCCEEDED)
    second = await add_ended(database, 32, **after(first))
    waiting = await add_job(database, **after(second))
    await prune(database)
    assert await left(database) == {first.id, second.id, waiting.id}


async def test_a_chain_of_old_jobs_is_pruned_completely(
    database: Database,
) -> None:
    before = await add_ended(database, 40)
    for days in range(39, 31, -1):
        before = await add_ended(database, days, **after(before))
    await prune(database)
    assert await left(database) == set()


async def test_many_jobs_are_pruned_one_batch_per_job(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    caplog.set_level(logging.INFO)
    for _ in range(7):
        await add_ended(database, 31)
    await prune(database)
    assert await left(database) == set()
    pruned = [vars(record)["succeeded"] for record in caplog.records if "pruned" in record.msg]
    assert pruned == [3, 3, 1]
    assert [job.status for job in await rows(database, Job)] == [Status.SUCCEEDED] * 4
