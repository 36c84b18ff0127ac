"""A service without disturbances: no job runs twice, and operators see what happens."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import update

from app.database import open_database, utc_now
from app.jobs import Job
from app.jobs.models import Schedule
from app.settings import get_settings
from tests.platform.collector import Collector, running_collector
from tests.platform.data import add_job
from tests.platform.scrape import Scrape
from tests.platform.test_contract import register, register_many
from tests.support.broker import Broker
from tests.support.database import Server
from tests.support.rows import rows
from tests.support.stack import Json, Stack, running_stack

pytestmark = pytest.mark.slow

# No process is taken for dead, however busy the machine is.
LONG_LEASE = {"JOBS_LEASE_SECONDS": "300"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def lasting_stack(
    server: Server,
    migrated: str,
    private_broker: Broker,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    url, directory = server.copy(migrated), tmp_path_factory.mktemp("stack")
    # So that a job that the code does not know fails at once.
    settings = LONG_LEASE | {"JOBS_UNKNOWN_SECONDS": "0"}
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "watched"}
    with running_stack(url, private_broker, directory, settings | tracing) as stack:
        yield stack
    server.drop(url)


async def add_misfits(count: int) -> None:
    """Jobs that fail at their first try."""
    async with open_database(get_settings().database_url) as database:
        for _ in range(count):
            await add_job(database, arguments={})


async def make_due(task: str) -> bool:
    """Have a schedule come due, if it is known yet."""
    url = get_settings().database_url
    async with open_database(url) as database, database.write.begin() as session:
        own = update(Schedule).where(Schedule.task == task).values(next_at=utc_now())
        return bool((await session.scalars(own.returning(Schedule.task))).all())


def jobs_of(stack: Stack, task: str) -> list[Json]:
    found = stack.client.get("/jobs", params={"task": task}).raise_for_status()
    return list(found.json()["items"])


async def jobs_since(moment: datetime) -> list[Job]:
    async with open_database(get_settings().database_url) as database:
        return [job for job in await rows(database, Job) if job.created_at >= moment]


def seconds(begin: datetime | None, end: datetime | None) -> float:
    assert begin is not None
    assert end is not None
    return (end - begin).total_seconds()


def test_the_metrics_agree_with_the_jobs_table(stack: Stack) -> None:
    before, begun = Scrape(stack.client.get("/metrics").text), utc_now()
    asyncio.run(add_misfits(10))
    stack.until_all_succeeded(register_many(stack, 30))
    failed = "/jobs?status=failed"
    stack.service.until(lambda: stack.client.get(failed).json()["total"] == 10)
    now, jobs = Scrape(stack.client.get("/metrics").text), asyncio.run(jobs_since(begun))

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


def test_processes_side_by_side_run_each_job_once(stack: Stack) -> None:
    with stack.service.another():
        jobs = stack.until_all_succeeded(register_many(stack, 20))
    assert {job["attempts"] for job in jobs} == {1}
    assert len(stack.mail_server.messages) == 20
    assert len(stack.webhook_receiver.webhooks) == 20


def test_only_one_of_several_processes_enqueues_a_scheduled_job(stack: Stack) -> None:
    known = len(jobs_of(stack, "prune_jobs"))
    with stack.service.another():
        stack.service.until(lambda: asyncio.run(make_due("prune_jobs")))
        stack.service.until(lambda: len(jobs_of(stack, "prune_jobs")) > known)
        job = jobs_of(stack, "prune_jobs")[0]
        assert stack.until_succeeded(job)["attempts"] == 1
    assert len(jobs_of(stack, "prune_jobs")) == known + 1


def test_a_request_and_its_jobs_are_one_trace(stack: Stack, collector: Collector) -> None:
    jobs = register(stack)
    stack.until_all_succeeded(jobs.values())
    assert stack.client.get("/health/ready").is_success
    stack.service.terminate()

    ids = {job["id"] for job in jobs.values()}
    log = [line for line in stack.service.worker.log.splitlines() if line.startswith("{")]
    about_jobs = [line for line in map(json.loads, log) if line.get("job_id") in ids]
    [trace_id] = {line["trace_id"] for line in about_jobs}
    trace = [span for span in collector.spans if span.trace_id.hex() == trace_id]
    names = {"POST /users", "INSERT", *(f"run {task}" for task in jobs)}
    assert names <= {span.name for span in trace}
    [webhook] = stack.webhook_receiver.webhooks
    assert trace_id in webhook.headers["traceparent"]
    # Neither the queries of the relay nor health checks begin a trace.
    begun = {span.name for span in collector.spans if not span.parent_span_id}
    assert not begun & {"SELECT", "UPDATE", "GET /health/ready"}
    assert collector.services == {"watched"}
