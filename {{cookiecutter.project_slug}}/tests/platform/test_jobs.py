"""The routes of jobs."""

import uuid

import httpx
import pytest
from fastapi import FastAPI

from app.database import Database
from app.jobs import Job, Status
from app.jobs.runtime.relay import Relay
from tests.platform.data import ADA, add_job, ago, reread
from tests.support.client import client_of
from tests.support.fake_engine import FakeEngine
from tests.support.problems import is_problem
from tests.support.rows import rows


async def add_failed_job(database: Database) -> Job:
    return await add_job(
        database, status=Status.FAILED, attempts=5, error="OSError: no route", finished_at=ago(1)
    )


async def test_a_job_is_read_by_id_without_its_arguments(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_failed_job(database)
    response = await client.get(f"/jobs/{job.id}")
    assert response.status_code == 200
    assert response.json() == {
        "id": str(job.id),
        "task": "write_audit_log",
        "status": "failed",
        "attempts": 5,
        "max_tries": 5,
        "queue": "default",
        "progress": None,
        "progress_note": None,
        "result": None,
        "failures": [],
        "predecessors": [],
        "run_at": response.json()["run_at"],
        "created_at": response.json()["created_at"],
        "started_at": None,
        "finished_at": response.json()["finished_at"],
        "error": "OSError: no route",
        "url": f"/jobs/{job.id}",
    }


async def test_the_url_of_a_job_has_the_prefix_that_a_proxy_removes(
    client: httpx.AsyncClient, app: FastAPI, database: Database, engine: FakeEngine
) -> None:
    registered = (await client.post("/users", json=ADA)).json()
    assert registered["jobs"][0]["url"].startswith("/jobs/")
    async with client_of(app, database, engine, root_path="/api") as behind_proxy:
        registered = (await behind_proxy.post("/api/users", json={**ADA, "email": "b@c.io"})).json()
        url = registered["jobs"][0]["url"]
        assert url == f"/api/jobs/{registered['jobs'][0]['id']}"
        assert (await behind_proxy.get(url)).json()["url"] == url
        listed = (await behind_proxy.get("/api/jobs")).json()["items"]
        assert {job["url"] for job in listed} == {f"/api/jobs/{job['id']}" for job in listed}
        moved = await behind_proxy.get("/api/jobs/")
        assert httpx.URL(moved.headers["Location"]).path == "/api/jobs"


async def test_an_unknown_job_is_not_found(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get(f"/jobs/{uuid.uuid4()}"), 404)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED])
async def test_only_a_failed_job_can_be_retried(
    client: httpx.AsyncClient, database: Database, status: Status
) -> None:
    job = await add_job(database, status=status)
    response = await client.post(f"/jobs/{job.id}/retry")
    assert is_problem(response, 409)
    assert status in response.json()["detail"]


async def test_a_failed_job_is_queued_again_with_all_its_tries(
    client: httpx.AsyncClient, database: Database, relay: Relay, engine: FakeEngine
) -> None:
    job = await add_failed_job(database)
    response = await client.post(f"/jobs/{job.id}/retry")
    assert response.status_code == 202
    assert response.json()["status"] == "queued"
    found = await reread(database, job)
    assert (found.attempts, found.max_tries, found.finished_at) == (5, 10, None)
    await relay.relay()
    assert engine.sent == [job.id]


async def test_a_job_of_a_removed_task_is_given_one_more_try(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(
        database, task="removed", status=Status.FAILED, attempts=1, finished_at=ago(1)
    )
    assert (await client.post(f"/jobs/{job.id}/retry")).json()["max_tries"] == 2


async def test_jobs_are_listed_by_status_and_task_newest_first(
    client: httpx.AsyncClient, database: Database
) -> None:
    for email in ("ada@example.com", "bob@example.com"):
        await client.post("/users", json={**ADA, "email": email})
    await add_failed_job(database)
    waiting = {"status": "queued", "task": "send_welcome_email"}
    page = (await client.get("/jobs", params=waiting)).json()
    stored = [job for job in await rows(database, Job) if job.task == "send_welcome_email"]
    assert [job["id"] for job in page["items"]] == [str(job.id) for job in reversed(stored)]
    assert page["total"] == 2
    assert (await client.get("/jobs")).json()["total"] == 5


@pytest.mark.parametrize("status", list(Status))
async def test_jobs_of_each_status_are_found(
    client: httpx.AsyncClient, database: Database, status: Status
) -> None:
    jobs = {each: await add_job(database, status=each) for each in Status}
    page = (await client.get("/jobs", params={"status": status})).json()
    assert [job["id"] for job in page["items"]] == [str(jobs[status].id)]


@pytest.mark.parametrize("wanted", [{"status": "lost"}, {"task": "a\0b"}, {"limit": 0}])
async def test_a_bad_filter_is_refused(
    client: httpx.AsyncClient, wanted: dict[str, str | int]
) -> None:
    assert is_problem(await client.get("/jobs", params=wanted), 422)
