"""A service that nothing disturbs: no job runs twice, and operators see what happens."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest

from app.database import open_database, utc_now
from app.jobs import Job
from app.settings import get_settings
from tests.broker import Broker
from tests.collector import Collector, running_collector
from tests.conftest import Environ
from tests.contract import World, make_due, running_world
from tests.database import Server
from tests.rows import add_job, rows
from tests.scrape import Scrape

# So that no process is taken for dead, however busy the machine is.
LEASE_SECONDS = 300


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def lasting_world(
    server: Server,
    migrated: str,
    private_broker: Broker,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    url, directory = server.copy(migrated), tmp_path_factory.mktemp("world")
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "watched"}
    with running_world(url, private_broker, directory, LEASE_SECONDS, tracing) as world:
        yield world
    server.drop(url)


@pytest.fixture
def world(lasting_world: World, broker: Broker, environ: Environ) -> World:
    """The service, up and idle, whatever the test before has done to it."""
    environ(DATABASE_URL=lasting_world.database_url)
    lasting_world.mail_server.reset()
    lasting_world.webhook_receiver.reset()
    lasting_world.service.start()
    return lasting_world


async def add_misfits(count: int) -> None:
    """Jobs that fail, whoever runs them, at their first try."""
    async with open_database(get_settings().database_url) as database:
        for _ in range(count):
            await add_job(database, arguments={})


async def jobs_since(moment: datetime) -> list[Job]:
    async with open_database(get_settings().database_url) as database:
        return [job for job in await rows(database, Job) if job.created_at >= moment]


def seconds(begin: datetime | None, end: datetime | None) -> float:
    assert begin is not None
    assert end is not None
    return (end - begin).total_seconds()


def test_the_metrics_agree_with_the_ledger(world: World) -> None:
    before, begun = Scrape(world.client.get("/metrics").text), utc_now()
    asyncio.run(add_misfits(10))
    world.until_all_succeeded(world.register_many(30))
    failed = "/jobs?status=failed"
    world.service.until(lambda: world.client.get(failed).json()["total"] == 10)
    now, jobs = Scrape(world.client.get("/metrics").text), asyncio.run(jobs_since(begun))

    def increase(name: str, **labels: str) -> float:
        return now.sum(name, **labels) - before.sum(name, **labels)

    outcomes = Counter((job.task, str(job.status)) for job in jobs)
    assert (len(jobs), outcomes["write_audit_log", "failed"]) == (100, 10)
    for (task, outcome), count in outcomes.items():
        assert increase("job_run_duration_seconds_count", task=task, outcome=outcome) == count
    assert increase("job_run_duration_seconds_count") == len(jobs)
    ran = sum(seconds(job.started_at, job.finished_at) for job in jobs)
    assert increase("job_run_duration_seconds_sum") == pytest.approx(ran)
    waited = sum(seconds(job.run_at, job.started_at) for job in jobs)
    assert increase("job_wait_duration_seconds_sum") == pytest.approx(waited)
    assert now.by("jobs", "task", "status") == {("write_audit_log", "failed"): 10}
    assert increase("http_request_duration_seconds_count", route="/users", status="201") == 30


def test_processes_side_by_side_run_no_job_twice(world: World) -> None:
    with world.service.another():
        jobs = [world.until_succeeded(job) for job in world.register_many(20)]
    assert {job["attempts"] for job in jobs} == {1}
    assert len(world.mail_server.messages) == 20
    assert len(world.webhook_receiver.webhooks) == 20


def test_of_processes_side_by_side_one_enqueues_what_is_due(world: World) -> None:
    known = len(world.jobs_of("prune_jobs"))
    with world.service.another():
        world.service.until(lambda: asyncio.run(make_due("prune_jobs")))
        world.service.until(lambda: len(world.jobs_of("prune_jobs")) > known)
        job = world.jobs_of("prune_jobs")[0]
        assert world.until_succeeded(job)["attempts"] == 1
    assert len(world.jobs_of("prune_jobs")) == known + 1


def test_a_request_and_its_jobs_are_one_trace(world: World, collector: Collector) -> None:
    jobs = world.register()
    world.until_all_succeeded(jobs.values())
    assert world.client.get("/health/ready").is_success
    world.service.terminate()

    ids = {job["id"] for job in jobs.values()}
    log = [line for line in world.service.worker.log.splitlines() if line.startswith("{")]
    about_jobs = [line for line in map(json.loads, log) if line.get("job_id") in ids]
    [trace_id] = {line["trace_id"] for line in about_jobs}
    trace = [span for span in collector.spans if span.trace_id.hex() == trace_id]
    names = {"POST /users", "INSERT", *(f"run {task}" for task in jobs)}
    assert names <= {span.name for span in trace}
    [webhook] = world.webhook_receiver.webhooks
    assert trace_id in webhook.headers["traceparent"]
    # Neither what the relay asks all the time nor a look at the health begins a trace.
    begun = {span.name for span in collector.spans if not span.parent_span_id}
    assert not begun & {"SELECT", "UPDATE", "GET /health/ready"}
    assert collector.services == {"watched"}
