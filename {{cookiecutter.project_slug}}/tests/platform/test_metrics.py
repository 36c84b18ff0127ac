"""Metrics: of requests by this process, of jobs from the jobs table."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from app.database import Database, open_database, utc_now
from app.jobs import Status, metrics
from app.main import create_app
from tests.platform.data import REFUSED, add_job, add_running_job, after, ago, change
from tests.platform.scrape import Scrape
from tests.support.client import client_of
from tests.support.fake_engine import FakeEngine

pytestmark = pytest.mark.slow

TASK = "write_audit_log"


async def scrape(client: httpx.AsyncClient) -> Scrape:
    response = await client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(response.raise_for_status().text)


def requests(scraped: Scrape) -> dict[tuple[str, ...], float]:
    return scraped.by("http_request_duration_seconds_count", "method", "route", "status")


def outcomes(scraped: Scrape) -> dict[tuple[str, ...], float]:
    return scraped.by("job_run_duration_seconds_count", "task", "outcome")


async def test_requests_are_counted_by_route_and_not_by_path(
    client: httpx.AsyncClient,
) -> None:
    for number in range(3):
        await client.get(f"/jobs/00000000-0000-0000-0000-00000000000{number}")
    await client.delete("/jobs")
    assert requests(await scrape(client)) == {
        ("GET", "/jobs/{job_id}", "404"): 3,
        ("DELETE", "/jobs", "405"): 1,
    }


async def test_a_client_cannot_add_series(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.request(f"METHOD{number}", f"/nowhere/{number}")
    assert requests(await scrape(client)) == {("other", "none", "404"): 3}


async def test_a_route_is_counted_with_the_prefix_of_its_router(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    router = APIRouter(prefix="/orders")

    @router.get("/{number}")
    async def read(number: int) -> int:
        return number

    for version in ("/v1", "/v2"):
        app.include_router(router, prefix=version)
    await client.get("/v1/orders/1")
    await client.get("/v2/orders/2")
    routes = {route for _, route, _ in requests(await scrape(client))}
    assert routes == {"/v1/orders/{number}", "/v2/orders/{number}"}


async def test_an_error_in_the_code_is_counted(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/broken")
    async def fail() -> None:
        raise RuntimeError("a detail")

    await client.get("/broken")
    assert requests(await scrape(client)) == {("GET", "/broken", "500"): 1}


async def test_every_application_has_its_own_metrics(
    client: httpx.AsyncClient, database: Database, engine: FakeEngine
) -> None:
    await client.get("/health/live")
    async with client_of(create_app(), database, engine) as other:
        assert requests(await scrape(other)) == {}


async def test_open_and_failed_jobs_are_counted_in_the_jobs_table(
    client: httpx.AsyncClient, database: Database
) -> None:
    await add_job(database, run_at=ago(100))
    await add_job(database, run_at=ago(-100))
    await add_job(database, run_at=ago(-100), error="not now")
    await add_running_job(database, started_at=ago(20))
    await add_job(database, status=Status.FAILED, finished_at=ago(1000))
    await add_job(database, status=Status.SUCCEEDED, finished_at=ago(1000))
    scraped = await scrape(client)
    assert scraped.by("jobs", "status") == {("queued",): 3, ("running",): 1, ("failed",): 1}
    assert scraped.by("jobs_due", "task") == {(TASK,): 1}
    assert scraped.by("jobs_retrying", "task") == {(TASK,): 1}
    assert 100 <= scraped.sum("jobs_oldest_age_seconds", status="queued") < 160
    assert 20 <= scraped.sum("jobs_oldest_age_seconds", status="running") < 80


async def test_a_follower_is_due_when_its_predecessor_has_succeeded(
    client: httpx.AsyncClient, database: Database
) -> None:
    first = await add_running_job(database, started_at=ago(50))
    await add_job(database, run_at=ago(100), **after(first))
    assert (await scrape(client)).sum("jobs_due") == 0
    await change(database, first, status=Status.SUCCEEDED, finished_at=ago(10))
    scraped = await scrape(client)
    assert scraped.sum("jobs_due") == 1
    assert 10 <= scraped.sum("jobs_oldest_age_seconds") < 70


async def test_an_outcome_from_before_the_start_of_the_process_is_not_counted(
    database: Database, engine: FakeEngine
) -> None:
    await add_job(database, status=Status.SUCCEEDED, started_at=ago(2), finished_at=ago(1))
    async with client_of(create_app(), database, engine) as client:
        assert outcomes(await scrape(client)) == {}


async def test_an_outcome_is_counted_once_in_several_scrapes(
    client: httpx.AsyncClient, database: Database
) -> None:
    await add_job(
        database, status=Status.SUCCEEDED, run_at=ago(7), started_at=ago(5), finished_at=utc_now()
    )
    for _ in range(3):
        scraped = await scrape(client)
    assert outcomes(scraped) == {(TASK, "succeeded"): 1}
    assert scraped.sum("job_run_duration_seconds_sum") == pytest.approx(5, abs=1)
    assert scraped.sum("job_wait_duration_seconds_sum") == pytest.approx(2, abs=1)


async def test_an_outcome_that_is_committed_late_is_counted(
    client: httpx.AsyncClient, database: Database
) -> None:
    finished_at = utc_now()
    await add_job(database, status=Status.SUCCEEDED, finished_at=finished_at + timedelta(hours=1))
    assert outcomes(await scrape(client)) == {(TASK, "succeeded"): 1}
    await add_job(database, status=Status.SUCCEEDED, finished_at=finished_at)
    assert outcomes(await scrape(client)) == {(TASK, "succeeded"): 2}


async def test_counted_outcomes_are_not_kept_in_memory(
    app: FastAPI, client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "OVERLAP", timedelta(0))
    for number in range(1, 4):
        await add_job(database, status=Status.SUCCEEDED, finished_at=utc_now())
        assert outcomes(await scrape(client)) == {(TASK, "succeeded"): number}
    assert len(app.state.metrics.jobs._counted) == 0


async def test_a_retried_job_has_two_outcomes(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=utc_now())
    assert outcomes(await scrape(client)) == {(TASK, "failed"): 1}
    await change(database, job, status=Status.SUCCEEDED, attempts=6, finished_at=utc_now())
    scraped = await scrape(client)
    assert outcomes(scraped) == {(TASK, "failed"): 1, (TASK, "succeeded"): 1}
    assert scraped.sum("jobs", status="failed") == 0


async def test_series_of_failures_exist_before_the_first_failure(client: httpx.AsyncClient) -> None:
    scraped = await scrape(client)
    assert scraped.has("job_run_duration_seconds_count", task=TASK, outcome="failed")


@pytest.fixture
async def client_without_database(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_database(REFUSED) as nowhere,
        client_of(app, nowhere, FakeEngine()) as client,
    ):
        yield client


async def test_without_the_database_only_metrics_of_jobs_are_missing(
    client: httpx.AsyncClient,
    client_without_database: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert (await scrape(client)).sum("jobs_up") == 1
    await client_without_database.get("/jobs")
    with caplog.at_level(logging.WARNING, metrics.__name__):
        scraped = await scrape(client_without_database)
    assert requests(scraped)["GET", "/jobs", "503"] == 1
    assert scraped.has("jobs_up")
    assert scraped.sum("jobs_up") == 0
    assert not {"jobs", "jobs_due", "jobs_oldest_age_seconds", "jobs_retrying"} & scraped.names
    assert "metrics of jobs are not available" in caplog.text
