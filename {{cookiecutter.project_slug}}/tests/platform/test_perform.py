"""Running one job."""

import asyncio
import logging
import re
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import InvalidRequestError

from app.database import Database, open_database
from app.database.batching import Item, Result
from app.database.sessions import Change
from app.jobs import Job, Status, Task, UnitOfWork, current_job_id, task, unit_of_work
from app.jobs.runtime import call, perform
from app.settings import get_settings
from app.users.models import AuditEntry
from tests.platform.data import add_job, after, change, reread
from tests.support.environment import Environ
from tests.support.rows import rows
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_tasks")]

AnyTask = Task[..., ..., Any]
SOON = timedelta(milliseconds=50)


async def enqueue(database: Database, called: AnyTask, *args: object) -> Job:
    async with unit_of_work(database) as uow:
        return uow.enqueue(called, *args)


async def run(database: Database, called: AnyTask, *args: object) -> Job:
    job = await enqueue(database, called, *args)
    await perform(database, job.id)
    return await reread(database, job)


async def test_an_async_task_runs_on_the_event_loop(database: Database) -> None:
    found = []

    @task()
    async def note(text: str) -> None:
        found.append((text, threading.current_thread() is threading.main_thread()))

    job = await run(database, note, "hello")
    assert found == [("hello", True)]
    assert (job.status, job.attempts) == (Status.SUCCEEDED, 1)


async def test_a_blocking_task_runs_in_a_thread(database: Database) -> None:
    found = []

    @task()
    def note(text: str) -> None:
        found.append((text, threading.current_thread() is threading.main_thread()))

    job = await run(database, note, "hello")
    assert found == [("hello", False)]
    assert (job.status, job.attempts) == (Status.SUCCEEDED, 1)


async def test_blocking_tasks_run_at_the_same_time(database: Database) -> None:
    together = threading.Barrier(8)

    @task()
    def meet() -> None:
        together.wait(timeout=30)

    jobs = [await enqueue(database, meet) for _ in range(8)]
    await asyncio.gather(*(perform(database, job.id) for job in jobs))
    assert {(await reread(database, job)).status for job in jobs} == {Status.SUCCEEDED}


async def test_a_task_knows_the_id_of_its_job(database: Database) -> None:
    found = []

    @task()
    def note() -> None:
        found.append(current_job_id())

    job = await run(database, note)
    assert found == [str(job.id)]


async def test_a_task_commits_its_changes_with_its_success(database: Database) -> None:
    @task()
    async def note(uow: UnitOfWork, text: str) -> None:
        uow.session.add(AuditEntry(event="noted", subject=text))

    job = await run(database, note, "hello")
    assert job.status is Status.SUCCEEDED
    assert [entry.subject for entry in await rows(database, AuditEntry)] == ["hello"]


async def test_others_can_write_between_the_first_read_and_the_first_write_of_a_task(
    database: Database,
) -> None:
    found: list[str] = []

    @task()
    async def read_and_write(uow: UnitOfWork) -> None:
        assert not (await uow.session.scalars(select(AuditEntry))).all()
        async with database.begin_write() as other:
            other.add(AuditEntry(event="noted", subject="other"))
        uow.session.add(AuditEntry(event="noted", subject="own"))
        found.extend(await uow.session.scalars(select(AuditEntry.subject)))

    job = await run(database, read_and_write)
    assert (job.status, job.error) == (Status.SUCCEEDED, None)
    assert sorted(found) == ["other", "own"]


async def test_a_failure_rolls_back_the_changes_of_the_task(database: Database) -> None:
    @task()
    async def note(uow: UnitOfWork) -> None:
        uow.session.add(AuditEntry(event="noted", subject="hello"))
        await uow.session.flush()
        raise ValueError("too late")

    job = await run(database, note)
    assert (job.status, job.error) == (Status.QUEUED, "ValueError: too late")
    assert await rows(database, AuditEntry) == []


async def test_a_task_can_enqueue_jobs_which_wake_the_relay(database: Database) -> None:
    @task()
    async def follow() -> None: ...

    @task()
    async def lead(uow: UnitOfWork) -> None:
        uow.enqueue(follow)

    await run(database, lead)
    assert [found.task for found in await rows(database, Job)] == ["lead", "follow"]
    assert database.has_due_jobs.is_set()


async def test_a_success_wakes_the_relay_if_the_job_has_followers(database: Database) -> None:
    @task()
    def lead() -> None: ...

    await run(database, lead)
    assert not database.has_due_jobs.is_set()
    job = await enqueue(database, lead)
    await add_job(database, **after(job))
    await perform(database, job.id)
    assert database.has_due_jobs.is_set()


async def test_a_job_that_is_not_due_is_left_to_the_relay_and_the_log_says_so(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    @task()
    async def note() -> None:
        raise AssertionError

    job = await enqueue(database, note)
    await change(database, job, run_at=job.run_at + timedelta(hours=1))
    with caplog.at_level(logging.INFO, "app.jobs.runtime.perform"):
        await perform(database, job.id)
    assert (await reread(database, job)).attempts == 0
    assert "job is not due before " in caplog.text


async def test_a_second_delivery_of_a_finished_job_does_nothing(database: Database) -> None:
    calls = []

    @task()
    async def note() -> None:
        calls.append(1)

    job = await run(database, note)
    await perform(database, job.id)
    assert calls == [1]


async def test_only_one_of_several_deliveries_runs(database: Database) -> None:
    calls = []

    @task()
    async def note() -> None:
        calls.append(1)
        await asyncio.sleep(0)

    job = await enqueue(database, note)
    await asyncio.gather(*(perform(database, job.id) for _ in range(10)))
    assert calls == [1]


async def test_a_job_runs_although_another_transaction_had_locked_its_row(
    database: Database,
) -> None:
    @task()
    async def note() -> None: ...

    job = await enqueue(database, note)
    async with database.begin_write() as session:
        await session.execute(update(Job).where(Job.id == job.id).values(request_id="locked"))
        performing = asyncio.create_task(perform(database, job.id))
        await asyncio.wait([performing], timeout=0.3)
    await performing
    assert (await reread(database, job)).status is Status.SUCCEEDED


async def test_a_delivery_of_an_unknown_job_is_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await perform(database, uuid.uuid4())
    assert "there is no such job" in caplog.text


async def test_a_job_is_retried_until_its_tries_are_used_up(database: Database) -> None:
    @task(max_tries=3)
    def never() -> None:
        raise OSError("no route")

    job = await enqueue(database, never)
    seen = []
    for _ in range(4):
        await change(database, job, run_at=job.created_at)
        await perform(database, job.id)
        found = await reread(database, job)
        seen.append((found.status, found.attempts))
    assert seen == [
        (Status.QUEUED, 1),
        (Status.QUEUED, 2),
        (Status.FAILED, 3),
        (Status.FAILED, 3),
    ]
    assert found.error == "OSError: no route"


async def test_a_retry_is_one_warning_and_only_the_last_failure_has_a_traceback(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    @task(max_tries=2)
    def never() -> None:
        raise OSError("no route")

    job = await enqueue(database, never)
    for _ in range(2):
        await change(database, job, run_at=job.created_at)
        await perform(database, job.id)
    retry, failure = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (retry.levelname, retry.exc_info) == ("WARNING", None)
    line = r"attempt 1 of 2 failed, next in \d\.\d s: OSError: no route"
    assert re.fullmatch(line, retry.getMessage())
    assert (failure.levelname, bool(failure.exc_info)) == ("ERROR", True)
    assert failure.getMessage() == "job failed at attempt 2 of 2: OSError: no route"


async def test_an_async_task_is_stopped_after_its_timeout(database: Database) -> None:
    stopped = []

    @task(timeout=SOON)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    job = await run(database, hang)
    assert (job.status, job.error) == (Status.QUEUED, "TimeoutError: timed out after 0.05 s")
    assert stopped == [True]


async def test_a_blocking_task_fails_after_its_timeout(database: Database) -> None:
    may_end = threading.Event()

    @task(timeout=SOON)
    def hang() -> None:
        may_end.wait()

    job = await run(database, hang)
    may_end.set()
    assert (job.status, job.error) == (Status.QUEUED, "TimeoutError: timed out after 0.05 s")


async def test_a_timeout_error_of_the_task_itself_is_reported_as_such(database: Database) -> None:
    @task()
    async def impatient() -> None:
        raise TimeoutError("the other side is slow")

    job = await run(database, impatient)
    assert job.error == "TimeoutError: the other side is slow"


class Panic(BaseException):
    """As an extension in Rust raises it."""


class Unreadable(Exception):
    def __str__(self) -> str:
        raise Panic


RAISED = {
    "SystemExit: enough": SystemExit("enough"),
    "KeyboardInterrupt: ": KeyboardInterrupt(),
    "GeneratorExit: ": GeneratorExit(),
    "Panic: at src/lib.rs:7": Panic("at src/lib.rs:7"),
    "Unreadable: its text cannot be read, because of a Panic": Unreadable(),
    "ExceptionGroup: two (2 sub-exceptions): ValueError: a; OSError: b": ExceptionGroup(
        "two", [ValueError("a"), OSError("b")]
    ),
}


@pytest.mark.parametrize("reason", RAISED)
async def test_whatever_a_task_raises_is_its_failure(database: Database, reason: str) -> None:
    @task(max_tries=1)
    def fail() -> None:
        raise RAISED[reason]

    @task(max_tries=1)
    async def fail_async() -> None:
        raise RAISED[reason]

    @task(max_tries=1)
    async def fail_in_transaction(uow: UnitOfWork) -> None:
        await uow.session.execute(update(Job).values(request_id="changed"))
        raise RAISED[reason]

    for called in (fail, fail_async, fail_in_transaction):
        job = await run(database, called)
        assert (job.status, job.error, job.request_id) == (Status.FAILED, reason, None)


async def test_a_job_of_an_unknown_task_is_put_off_without_using_up_a_try(
    database: Database,
) -> None:
    job = await add_job(database, task="next_release")
    await perform(database, job.id)
    found = await reread(database, job)
    assert (found.status, found.lease_until, found.max_tries - found.attempts) == (
        Status.QUEUED,
        None,
        job.max_tries,
    )
    assert found.started_at
    assert found.run_at > found.started_at == found.unknown_since
    assert found.error == "UnknownCall: the code has no task of this name"


@pytest.mark.parametrize("arguments", [{}, {"text": 1}, {"text": "hello", "more": 1}])
async def test_a_job_whose_arguments_do_not_fit_is_put_off_without_using_up_a_try(
    database: Database, arguments: dict[str, object]
) -> None:
    @task()
    def note(text: str) -> None: ...

    job = await add_job(database, task="note", arguments=arguments)
    await perform(database, job.id)
    found = await reread(database, job)
    assert (found.status, found.max_tries - found.attempts) == (Status.QUEUED, job.max_tries)
    assert str(found.error).startswith("UnknownCall: its arguments do not fit: ")


async def test_a_job_that_was_put_off_runs_where_its_task_is_known(database: Database) -> None:
    job = await add_job(database, task="note", arguments={"text": "hello"}, max_tries=1)
    await perform(database, job.id)
    texts = []

    @task()
    def note(text: str) -> None:
        texts.append(text)

    await change(database, job, run_at=job.created_at)
    await perform(database, job.id)
    assert texts == ["hello"]
    assert (await reread(database, job)).status is Status.SUCCEEDED


async def test_a_job_is_put_off_for_some_minutes_and_then_fails(database: Database) -> None:
    job = await add_job(database, task="removed", max_tries=1)
    waits: list[float] = []
    while (found := await reread(database, job)).status is Status.QUEUED:
        if found.started_at and found.unknown_since:
            # As if it had waited, without waiting.
            wait = found.run_at - found.started_at
            waits.append(wait.total_seconds())
            await change(
                database,
                job,
                run_at=job.created_at,
                unknown_since=found.unknown_since - wait,
            )
        await perform(database, job.id)
    assert found.status is Status.FAILED
    assert 200 < sum(waits) < 320
    assert all(0.5 <= wait <= 10 for wait in waits)


async def test_a_job_that_is_put_off_and_then_fails_is_retried_after_a_second(
    database: Database,
) -> None:
    job = await add_job(database, task="fail", arguments={})
    for _ in range(9):
        await change(database, job, run_at=job.created_at)
        await perform(database, job.id)

    @task()
    def fail() -> None:
        raise OSError("no route")

    await change(database, job, run_at=job.created_at)
    await perform(database, job.id)
    found = await reread(database, job)
    assert found.started_at
    assert found.run_at - found.started_at < timedelta(seconds=2)
    assert (found.max_tries - found.attempts, found.unknown_since) == (4, None)


async def test_a_key_error_of_the_task_itself_is_retried(database: Database) -> None:
    @task()
    def look_up() -> None:
        raise KeyError("missing")

    job = await run(database, look_up)
    assert (job.status, job.error) == (Status.QUEUED, "KeyError: 'missing'")


async def test_an_error_loses_the_characters_that_no_database_stores(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    # pytest-xdist cannot transfer a lone surrogate in a captured log line.
    caplog.set_level(logging.CRITICAL, "app.jobs.runtime")

    @task()
    def fail() -> None:
        raise ValueError("a\0b\udcff")

    job = await run(database, fail)
    assert job.error == "ValueError: ab?"


def is_renewed(job: Job) -> bool:
    begun, until = job.started_at, job.lease_until
    return bool(begun and until and until > begun + timedelta(seconds=2))


async def test_a_lease_is_renewed_while_the_task_runs(
    own_database: Database, environ: Environ
) -> None:
    environ(JOBS_LEASE_SECONDS="1")
    may_end = asyncio.Event()

    @task()
    async def wait() -> None:
        await may_end.wait()

    job = await enqueue(own_database, wait)
    running = asyncio.create_task(perform(own_database, job.id))

    async def lease_is_renewed() -> bool:
        return is_renewed(await reread(own_database, job))

    await eventually(lease_is_renewed)
    may_end.set()
    await running
    assert (await reread(own_database, job)).status is Status.SUCCEEDED


def block_until(condition: Callable[[Job], bool]) -> None:
    """Blocks the event loop until another one has seen that the only job meets the condition."""

    async def watch() -> None:
        async with open_database(get_settings().database_url) as another:

            async def is_met() -> bool:
                [job] = await rows(another, Job)
                return condition(job)

            await eventually(is_met)

    watching = threading.Thread(target=asyncio.run, args=(watch(),))
    watching.start()
    watching.join()


async def test_a_task_that_blocks_the_event_loop_keeps_its_lease_and_is_named(
    own_database: Database, environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(JOBS_LEASE_SECONDS="1")

    @task()
    async def compute() -> None:
        block_until(is_renewed)

    job = await run(own_database, compute)
    assert (job.status, job.attempts) == (Status.SUCCEEDED, 1)
    [record] = [record for record in caplog.records if "blocks the event loop" in record.msg]
    assert vars(record)["task"] == "compute"


async def test_a_task_that_blocks_the_event_loop_for_ever_is_recorded_as_late(
    own_database: Database, environ: Environ
) -> None:
    environ(JOBS_LEASE_SECONDS="1")

    @task(timeout=SOON)
    async def compute() -> None:
        block_until(lambda job: job.status is Status.QUEUED)

    job = await run(own_database, compute)
    assert (job.status, job.attempts) == (Status.QUEUED, 1)
    assert job.error == "TimeoutError: timed out after 0.05 s: the event loop is blocked"


async def test_a_task_that_swallows_its_cancellation_has_timed_out(database: Database) -> None:
    @task(timeout=SOON)
    async def swallow() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    job = await run(database, swallow)
    assert (job.status, job.error) == (Status.QUEUED, "TimeoutError: timed out after 0.05 s")


async def test_a_task_has_timed_out_although_the_timer_was_early(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(timeout=SOON)
    async def swallow() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(call, "monotonic", lambda: 0.0)
    job = await run(database, swallow)
    assert (job.status, job.error) == (Status.QUEUED, "TimeoutError: timed out after 0.05 s")


async def test_a_task_that_never_ends_is_left_behind_and_writes_nothing(
    database: Database,
) -> None:
    may_end = asyncio.Event()
    raised: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @task(timeout=SOON)
    async def swallow(uow: UnitOfWork) -> None:
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()
        try:
            await uow.session.execute(update(Job).values(task="late"))
        except InvalidRequestError as error:
            raised.set_result(str(error))

    job = await run(database, swallow)
    assert (job.status, job.error) == (Status.QUEUED, "TimeoutError: timed out after 0.05 s")
    may_end.set()
    assert "closed" in await raised
    assert (await reread(database, job)).task == "swallow"


async def test_a_try_that_lost_its_lease_commits_nothing(database: Database) -> None:
    @task()
    async def note(uow: UnitOfWork, job_id: uuid.UUID) -> None:
        job = await uow.session.get_one(Job, job_id)
        job.attempts += 1  # as the claim of another process would
        uow.session.add(AuditEntry(event="noted", subject="hello"))

    job = note.job(uuid.uuid4())
    async with database.write.begin() as session:
        job.arguments = {"job_id": str(job.id)}
        session.add(job)
    await perform(database, job.id)
    found = await reread(database, job)
    assert (found.status, found.attempts) == (Status.RUNNING, 1)
    assert await rows(database, AuditEntry) == []


async def test_a_try_that_lost_its_lease_is_stopped(database: Database, environ: Environ) -> None:
    environ(JOBS_LEASE_SECONDS="1")
    has_begun = asyncio.Event()

    @task()
    async def hang() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    job = await enqueue(database, hang)
    running = asyncio.create_task(perform(database, job.id))
    await has_begun.wait()
    await change(database, job, attempts=2)
    await running
    found = await reread(database, job)
    assert (found.status, found.attempts, found.error) == (Status.RUNNING, 2, None)


async def test_a_failure_after_the_lease_was_lost_is_not_recorded(
    database: Database,
) -> None:
    @task()
    async def fail(job_id: uuid.UUID) -> None:
        await change(database, job, attempts=2)
        raise ValueError("too late")

    job = fail.job(uuid.uuid4())
    async with database.write.begin() as session:
        session.add(job)
    await perform(database, job.id)
    found = await reread(database, job)
    assert (found.status, found.error) == (Status.RUNNING, None)


async def test_a_job_is_given_back_when_its_process_stops(database: Database) -> None:
    has_begun = asyncio.Event()

    @task()
    async def hang() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    job = await enqueue(database, hang)
    running = asyncio.create_task(perform(database, job.id))
    await has_begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    found = await reread(database, job)
    assert (found.status, found.lease_until, found.error) == (Status.QUEUED, None, None)


class LateDatabase(Database):
    """Commits a write, but does not return before a test lets it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.engine, database.engine, database.engine)
        self.has_written = asyncio.Event()
        self.may_return = asyncio.Event()

    async def write_with_retry(
        self,
        change: Change[Item, Result],
        item: Item,
        patience: timedelta,
        *,
        is_alone: bool = False,
    ) -> Result:
        result = await super().write_with_retry(change, item, patience, is_alone=is_alone)
        self.has_written.set()
        await self.may_return.wait()
        return result


async def test_a_job_is_given_back_when_its_process_stops_during_the_claim(
    database: Database,
) -> None:
    @task()
    async def note() -> None:
        raise AssertionError

    job, late = await enqueue(database, note), LateDatabase(database)
    running = asyncio.create_task(perform(late, job.id))
    await late.has_written.wait()
    running.cancel()
    late.may_return.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    found = await reread(database, job)
    assert (found.status, found.lease_until, found.attempts) == (Status.QUEUED, None, 1)


async def test_a_task_that_cancels_itself_has_failed(database: Database) -> None:
    @task()
    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    job = await run(database, cancel_itself)
    assert (job.status, job.error) == (
        Status.QUEUED,
        "RuntimeError: the task cancelled itself",
    )


async def test_a_process_can_stop_although_its_job_lost_the_lease(database: Database) -> None:
    has_begun = asyncio.Event()

    @task()
    async def hang() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    job = await enqueue(database, hang)
    running = asyncio.create_task(perform(database, job.id))
    await has_begun.wait()
    await change(database, job, attempts=2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await reread(database, job)).status is Status.RUNNING
