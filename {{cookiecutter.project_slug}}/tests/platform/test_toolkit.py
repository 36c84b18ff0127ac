"""What a task and a service may do with jobs beyond enqueueing them, without any process."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, utc_now
from app.jobs import (
    GiveUp,
    Harmless,
    Job,
    Status,
    TryAgain,
    UnitOfWork,
    report_progress,
    task,
    unit_of_work,
)
from app.jobs.runtime import QueueFull, Relay, due, ledger, perform
from app.users.models import AuditEntry
from tests.platform.data import add_job, add_running_job, ago, reread
from tests.support.environment import Environ
from tests.support.fake_engine import FakeEngine
from tests.support.jobs import run_jobs
from tests.support.rows import rows
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_tasks")]


class Total(BaseModel):
    count: int
    day: date


async def by_task(database: Database) -> dict[str, Job]:
    return {job.task: job for job in await rows(database, Job)}


# Giving up, and pace


async def test_a_task_that_gives_up_fails_for_good_with_its_reason(database: Database) -> None:
    @task()
    async def charge() -> None:
        raise GiveUp("the card is closed")

    async with unit_of_work(database) as uow:
        uow.enqueue(charge)
    [job] = await run_jobs(database)
    assert (job.status, job.attempts) == (Status.FAILED, 1)
    assert job.error == "GiveUp: the card is closed"


async def test_a_task_chooses_when_its_next_try_starts(database: Database) -> None:
    @task()
    def charge() -> None:
        raise TryAgain("the bank is closed", delay=timedelta(hours=3))

    async with unit_of_work(database) as uow:
        job = uow.enqueue(charge)
    await perform(database, job.id)
    found = await reread(database, job)
    assert (found.status, found.error) == (Status.QUEUED, "TryAgain: the bank is closed")
    assert timedelta(hours=2.9) < found.run_at - utc_now() < timedelta(hours=3.1)


async def test_a_task_declares_its_backoff(database: Database) -> None:
    @task(backoff=lambda attempts: timedelta(days=attempts))
    def charge() -> None:
        raise OSError("no route")

    async with unit_of_work(database) as uow:
        job = uow.enqueue(charge)
    await perform(database, job.id)
    found = await reread(database, job)
    assert timedelta(hours=23) < found.run_at - utc_now() < timedelta(hours=25)


async def test_the_last_ten_failures_are_kept(database: Database) -> None:
    tries = iter(range(1, 20))

    @task(max_tries=12, backoff=lambda _: timedelta(0))
    def count() -> None:
        raise OSError(f"failure {next(tries)}")

    async with unit_of_work(database) as uow:
        uow.enqueue(count)
    [job] = await run_jobs(database)
    assert [failure["attempt"] for failure in job.failures] == [*range(3, 13)]
    assert job.failures[-1]["error"] == job.error == "OSError: failure 12"
    assert datetime.fromisoformat(job.failures[-1]["started_at"]) == job.started_at


# Results and progress


async def test_a_result_of_the_annotated_type_is_kept(
    client: httpx.AsyncClient, database: Database
) -> None:
    @task()
    async def count(uow: UnitOfWork) -> Total:
        return Total(count=3, day=date(2026, 1, 2))

    @task()
    def name() -> str:
        return "Ada"

    async with unit_of_work(database) as uow:
        jobs = [uow.enqueue(count), uow.enqueue(name)]
    await run_jobs(database)
    answers = [(await client.get(f"/jobs/{job.id}")).json() for job in jobs]
    assert [answer["result"] for answer in answers] == [{"count": 3, "day": "2026-01-02"}, "Ada"]


async def test_a_result_that_is_too_large_fails_the_job(database: Database) -> None:
    @task(max_tries=1)
    def fetch() -> str:
        return "x" * 2**16

    async with unit_of_work(database) as uow:
        uow.enqueue(fetch)
    [job] = await run_jobs(database)
    assert (job.status, job.result) == (Status.FAILED, None)
    assert job.error == "ValueError: the result has 65538 bytes, of at most 65536"


@pytest.mark.parametrize("is_blocking", [False, True])
async def test_progress_is_shown_while_the_task_runs(
    client: httpx.AsyncClient, database: Database, environ: Environ, is_blocking: bool
) -> None:
    environ(JOBS_LEASE_SECONDS="1")
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()

    @task()
    def blocking() -> None:
        report_progress(40, "drawing")
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(30)

    @task()
    async def waiting() -> None:
        report_progress(40, "drawing")
        await may_end.wait()

    async with unit_of_work(database) as uow:
        job = uow.enqueue(blocking if is_blocking else waiting)
    running = asyncio.create_task(perform(database, job.id))

    async def is_shown() -> bool:
        answer = (await client.get(f"/jobs/{job.id}")).json()
        return (answer["progress"], answer["progress_note"]) == (40, "drawing")

    await eventually(is_shown)
    may_end.set()
    await running
    found = await reread(database, job)
    assert (found.status, found.progress) == (Status.SUCCEEDED, 100)


# Jobs follow the transaction


async def test_a_query_of_the_transaction_finds_its_jobs(database: Database) -> None:
    @task()
    def remind() -> None: ...

    async with unit_of_work(database) as uow:
        job = uow.enqueue(remind)
        found = await uow.session.scalars(select(Job.id))
        assert found.all() == [job.id]
        assert await uow.cancel(job.id)
    assert (await reread(database, job)).status is Status.CANCELLED


async def test_jobs_with_different_columns_are_stored_together(database: Database) -> None:
    @task()
    def note() -> None: ...

    async with unit_of_work(database) as uow:
        jobs = [uow.enqueue(note) for _ in range(3)]
        # As if it had a default.
        del vars(jobs[1])["result"]
    assert {job.id for job in await rows(database, Job)} == {job.id for job in jobs}


async def test_a_rolled_back_savepoint_drops_only_its_own_jobs(database: Database) -> None:
    @task()
    def remind() -> None: ...

    async with unit_of_work(database) as uow:
        before = uow.enqueue(remind)
        savepoint = await uow.session.begin_nested()
        uow.enqueue(remind)
        await savepoint.rollback()
        later = uow.enqueue(remind)
    assert {job.id for job in await rows(database, Job)} == {before.id, later.id}


# Unique jobs


async def test_a_second_job_with_an_open_key_is_the_first(database: Database) -> None:
    @task()
    def remind(name: str) -> None: ...

    @task()
    def greet(name: str) -> None: ...

    async with unit_of_work(database) as uow:
        first = await uow.enqueue_once("ada", remind, "Ada")
        again = await uow.enqueue_once("ada", remind, "Ada")
        other = await uow.enqueue_once("ada", greet, "Ada")
    assert again.id == first.id != other.id
    assert uow.jobs == [first, other]
    await run_jobs(database)
    async with unit_of_work(database) as uow:
        later = await uow.enqueue_once("ada", remind, "Ada")
    assert later.id != first.id


async def test_one_of_many_concurrent_jobs_with_the_same_key_is_kept(database: Database) -> None:
    @task()
    def remind() -> None: ...

    async def enqueue() -> uuid.UUID:
        async with unit_of_work(database) as uow:
            return (await uow.enqueue_once("ada", remind)).id

    found = await asyncio.gather(*(enqueue() for _ in range(100)))
    [job] = await rows(database, Job)
    assert {*found} == {job.id}


async def test_a_unique_job_that_cannot_be_stored_is_an_error(database: Database) -> None:
    @task()
    def remind() -> None: ...

    never_stored = remind.job()
    with pytest.raises(IntegrityError):
        async with asyncio.timeout(30), unit_of_work(database) as uow:
            await uow.enqueue_once("ada", remind.options(after=never_stored))


async def test_a_note_that_no_database_stores_costs_no_lease(database: Database) -> None:
    job = await add_running_job(database)
    async with database.engine.begin() as connection:
        assert await ledger.renew(connection, job, 40, "dra\0wing\ud800") is False
    assert (await reread(database, job)).progress_note == "drawing?"


# Cancelling


async def test_a_running_job_is_asked_to_stop(database: Database, environ: Environ) -> None:
    environ(JOBS_LEASE_SECONDS="1")
    has_begun = asyncio.Event()

    @task()
    async def wait() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    async with unit_of_work(database) as uow:
        job = uow.enqueue(wait)
    running = asyncio.create_task(perform(database, job.id))
    await has_begun.wait()
    async with unit_of_work(database) as uow:
        assert await uow.cancel(job.id)
    await running
    found = await reread(database, job)
    assert (found.status, found.attempts, found.error) == (Status.CANCELLED, 1, "cancelled")


async def test_each_job_is_either_cancelled_or_run(database: Database) -> None:
    @task()
    def note() -> None: ...

    async with unit_of_work(database) as uow:
        jobs = [uow.enqueue(note) for _ in range(50)]

    async def cancel(job: Job) -> bool:
        async with unit_of_work(database) as uow:
            found = await uow.session.get(Job, job.id, with_for_update=True)
            return bool(found and found.status is Status.QUEUED and await uow.cancel(job.id))

    performing = [perform(database, job.id) for job in jobs]
    cancelling = [cancel(job) for job in jobs]
    was_cancelled = (await asyncio.gather(*performing, *cancelling))[len(jobs) :]
    for job, cancelled in zip(jobs, was_cancelled, strict=True):
        found = await reread(database, job)
        expected = (Status.CANCELLED, 0) if cancelled else (Status.SUCCEEDED, 1)
        assert (found.status, found.attempts) == expected


# Predecessors


async def test_a_job_follows_several_others(database: Database) -> None:
    @task()
    def pay() -> None: ...

    @task()
    def pack() -> None: ...

    @task()
    def ship() -> None: ...

    async with unit_of_work(database) as uow:
        before = [uow.enqueue(pay), uow.enqueue(pack)]
        job = uow.enqueue(ship.options(after=before))
    await perform(database, before[0].id)
    await perform(database, job.id)
    assert (await reread(database, job)).status is Status.QUEUED
    await perform(database, before[1].id)
    await perform(database, job.id)
    assert (await reread(database, job)).status is Status.SUCCEEDED


@pytest.mark.parametrize("has_failed", [True, False])
async def test_a_job_follows_a_failure_and_is_cancelled_after_a_success(
    database: Database, relay: Relay, engine: FakeEngine, has_failed: bool
) -> None:
    @task(max_tries=1)
    def pay() -> None:
        if has_failed:
            raise GiveUp("the card is closed")

    @task()
    def apologise() -> None: ...

    async with unit_of_work(database) as uow:
        payment = uow.enqueue(pay)
        apology = uow.enqueue(apologise.options(after_failure=payment))
    database.has_due_jobs.clear()
    await perform(database, payment.id)
    assert database.has_due_jobs.is_set()
    await relay.relay()
    assert (apology.id in engine.sent) is has_failed
    found = await reread(database, apology)
    assert found.status is (Status.QUEUED if has_failed else Status.CANCELLED)


async def test_what_follows_a_cancelled_job_is_cancelled(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    @task()
    def note() -> None: ...

    async with unit_of_work(database) as uow:
        first = uow.enqueue(note.options(delay=timedelta(days=1)))
        second = uow.enqueue(note.options(after=first))
        third = uow.enqueue(note.options(after=second))
    async with unit_of_work(database) as uow:
        await uow.cancel(first.id)
    await relay.relay()
    await relay.relay()
    assert engine.sent == []
    found = [await reread(database, job) for job in (second, third)]
    assert [job.status for job in found] == [Status.CANCELLED] * 2
    assert found[0].error == (
        "not started: a job before it was cancelled, or succeeded instead of failing"
    )


# Times, sessions, queues, arguments


async def test_a_job_starts_at_a_moment(database: Database) -> None:
    @task()
    def remind() -> None: ...

    moment = datetime(2030, 1, 2, 3, tzinfo=UTC)
    async with unit_of_work(database) as uow:
        job = uow.enqueue(remind.options(at=moment))
    assert (await reread(database, job)).run_at == moment
    with pytest.raises(ValueError, match="has no time zone"):
        remind.options(at=moment.replace(tzinfo=None))


async def test_a_task_reads_beside_its_unit_of_work_or_instead_of_it(database: Database) -> None:
    @task()
    async def count(session: AsyncSession, event: str) -> int:
        return len((await session.scalars(select(AuditEntry.event).filter_by(event=event))).all())

    @task()
    async def add(uow: UnitOfWork, session: AsyncSession, event: str) -> int:
        uow.session.add(AuditEntry(event=event, subject="Ada"))
        return await count.function(session, event)

    async with unit_of_work(database) as uow:
        added = uow.enqueue(add, "greeted")
        uow.enqueue(count.options(after=added), "greeted")
    await run_jobs(database)
    assert {name: job.result for name, job in (await by_task(database)).items()} == {
        "add": 0,
        "count": 1,
    }


class FullEngine(FakeEngine):
    """Has no room in one queue."""

    async def send(self, jobs: Sequence[Job]) -> None:
        if jobs[0].queue == "slow":
            raise QueueFull
        await super().send(jobs)


async def test_a_full_queue_does_not_hold_up_another(database: Database, environ: Environ) -> None:
    environ(JOBS_RELAY_SECONDS="0.05")
    engine = FullEngine()
    await add_job(database, queue="slow")
    async with Relay(database, engine).running():
        job = await add_job(database)

        async def is_sent() -> bool:
            return engine.sent == [job.id]

        await eventually(is_sent)


async def test_lost_messages_are_counted_for_each_queue(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    class TwoQueues(FakeEngine):
        async def waiting(self, queue: str) -> int:
            return 3 if queue == "slow" else 0

    two = TwoQueues()
    for _ in range(3):
        await add_job(database, queue="slow", lease_until=ago(2), run_at=ago(60))
    lost = await add_job(database, lease_until=ago(1))
    await Relay(database, two).relay()
    assert two.sent == [lost.id]
    assert len(await rows(database, Job)) == 4


async def test_a_wrong_queue_is_refused(database: Database) -> None:
    with pytest.raises(TypeError, match="slow queue"):
        task(queue="slow queue")(lambda: None)


class Plan(StrEnum):
    SMALL = "small"


async def test_operators_see_the_arguments_that_identify(
    client: httpx.AsyncClient, database: Database
) -> None:
    @task()
    def bill(
        user_id: uuid.UUID,
        months: int,
        since: date,
        plan: Plan,
        note: Annotated[str, Harmless],
        email: str,
    ) -> None: ...

    user_id = uuid.uuid4()
    async with unit_of_work(database) as uow:
        uow.enqueue(bill, user_id, 2, date(2026, 1, 2), Plan.SMALL, "yearly", "ada@example.com")
    [item] = (await client.get("/jobs")).json()["items"]
    assert item["arguments"] == {
        "user_id": str(user_id),
        "months": 2,
        "since": "2026-01-02",
        "plan": "small",
        "note": "yearly",
    }


async def test_the_queue_is_named_to_the_ledger(database: Database) -> None:
    @task(queue="slow")
    def draw() -> None: ...

    async with unit_of_work(database) as uow:
        job = uow.enqueue(draw)
    async with database.read() as session:
        assert await due.queues_of(session, due.TO_SEND) == ["slow"]
    assert (await reread(database, job)).queue == "slow"
