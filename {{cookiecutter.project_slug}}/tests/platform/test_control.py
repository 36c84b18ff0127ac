"""What services and operators may do with jobs: cancel them, run them now, and retry them."""

import uuid

import httpx
import pytest

from app.database import Database
from app.jobs import Status, control, unit_of_work
from app.jobs.runtime import Relay, perform
from tests.platform.data import add_job, add_running_job, ago, reread
from tests.support.fake_engine import FakeEngine
from tests.support.problems import is_problem

pytestmark = pytest.mark.slow


async def test_a_cancelled_job_never_starts(client: httpx.AsyncClient, database: Database) -> None:
    job = await add_job(database)
    response = await client.post(f"/jobs/{job.id}/cancel")
    assert (response.status_code, response.json()["status"]) == (202, "cancelled")
    await perform(database, job.id)
    found = await reread(database, job)
    assert (found.status, found.attempts) == (Status.CANCELLED, 0)
    assert is_problem(await client.post(f"/jobs/{job.id}/cancel"), 409)


@pytest.mark.parametrize("action", ["cancel", "run-now", "retry"])
async def test_an_unknown_job_cannot_be_changed(client: httpx.AsyncClient, action: str) -> None:
    assert is_problem(await client.post(f"/jobs/{uuid.uuid4()}/{action}"), 404)


async def test_a_cancelled_job_whose_worker_is_lost_is_not_run_again(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    job = await add_running_job(database, lease_until=ago(1), cancel_requested=True)
    await relay.relay()
    assert (await reread(database, job)).status is Status.CANCELLED
    assert engine.sent == []


async def test_a_job_that_waits_is_run_now(
    client: httpx.AsyncClient, database: Database, relay: Relay, engine: FakeEngine
) -> None:
    job = await add_job(database, run_at=ago(-3600))
    await relay.relay()
    assert engine.sent == []
    assert (await client.post(f"/jobs/{job.id}/run-now")).status_code == 202
    await relay.relay()
    assert engine.sent == [job.id]


async def test_all_failed_jobs_of_a_task_are_retried_in_slices(database: Database) -> None:
    failed = {"status": Status.FAILED, "attempts": 5, "finished_at": ago(1)}
    jobs = [await add_job(database, **failed, created_at=ago(10 - n)) for n in range(3)]
    other = await add_job(database, **failed, task="another")
    async with unit_of_work(database) as uow:
        assert await control.retry_failed(uow.session, "write_audit_log", limit=2) == 2
    found = [(await reread(database, job)).status for job in [*jobs, other]]
    assert found == [Status.QUEUED, Status.QUEUED, Status.FAILED, Status.FAILED]


async def test_of_several_failed_jobs_with_a_key_the_newest_is_retried(
    client: httpx.AsyncClient, database: Database
) -> None:
    failed = {"status": Status.FAILED, "finished_at": ago(1), "key": "ada"}
    old, new = [await add_job(database, **failed, created_at=ago(n)) for n in (20, 10)]
    response = await client.post("/jobs/tasks/write_audit_log/retry")
    assert (response.status_code, response.json()) == (202, {"retried": 1})
    assert (await reread(database, new)).status is Status.QUEUED
    assert is_problem(await client.post(f"/jobs/{old.id}/retry"), 409)
