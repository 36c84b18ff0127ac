"""Runs one job, the same way behind every engine."""

import asyncio
import logging
import uuid
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, DatabaseUnavailable, utc_now
from app.jobs.models import Job, Status
from app.jobs.running import GiveUp
from app.jobs.runtime import ledger
from app.jobs.runtime.call import Cancelled, run_task
from app.jobs.runtime.retries import UnknownCall, wait_after
from app.jobs.runtime.threads import run_in_thread
from app.jobs.task import Task, registry
from app.jobs.uow import UnitOfWork, unit_of_work
from app.settings import get_settings
from app.telemetry import log, redaction, tracing

logger = logging.getLogger(__name__)

# How long to retry recording an outcome while the database is unavailable: nobody else can take
# the job meanwhile. Engines allow a job more than this beyond the timeout of its task.
PATIENCE = timedelta(seconds=20)


async def perform(database: Database, job_id: uuid.UUID) -> None:
    """Run a job, if it is due and no other process has it."""
    try:
        job = await _claim(database, job_id)
        if job is None:
            await _say_why_not(database, job_id)
            return
    except DatabaseUnavailable as error:
        logger.warning("a job could not be claimed, and will run later: %s", error)
        return
    with (
        log.working_on(str(job.id), job.request_id),
        redaction.redacting(job.arguments),
        tracing.job_span(job.task, job.attempts, job.traceparent),
    ):
        about = {"task": job.task, "attempt": job.attempts}
        logger.info("job started", extra=about)
        try:
            await _run(database, job, about)
        except ledger.LeaseLost:
            logger.warning("job lost its lease: this attempt is not recorded", extra=about)
        except DatabaseUnavailable as error:
            logger.error("outcome not recorded, job will run again: %s", error, extra=about)


async def _claim(database: Database, job_id: uuid.UUID) -> Job | None:
    patience = get_settings().jobs_lease

    async def claim() -> Job | None:
        job = await database.write_with_retry(ledger.claim_unlocked, job_id, patience)
        # A relay locks for a moment what it finds to be sent already: wait, but let no other wait.
        return job or await database.write_with_retry(ledger.claim, job_id, patience, is_alone=True)

    claiming = asyncio.create_task(claim())
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # The claim may already be committed: give the job back.
        with suppress(DatabaseUnavailable):
            if job := await claiming:
                await _give_back(database, job)
        raise


async def _say_why_not(database: Database, job_id: uuid.UUID) -> None:
    about = {"job_id": str(job_id)}
    async with database.read() as session:
        job = await session.get(Job, job_id)
    await database.read_clock()
    if job is None:
        logger.warning("there is no such job", extra=about)
    elif job.status is Status.QUEUED and job.run_at > utc_now():
        logger.info("job is not due before %s: a relay sends it then", job.run_at, extra=about)


async def _give_back(database: Database, job: Job) -> None:
    with suppress(DatabaseUnavailable):
        async with database.engine.begin() as connection:
            await ledger.give_back(connection, job)


async def _run(database: Database, job: Job, about: dict[str, object]) -> None:
    try:
        may_others_start = await _succeed(database, job)
    except asyncio.CancelledError:
        await _give_back(database, job)
        logger.warning("job given back: this process stops", extra=about)
        raise
    except ledger.LeaseLost:
        raise
    except BaseException as error:  # a task may raise anything
        await _fail(database, job, error, about)
    else:
        logger.info("job succeeded", extra=about)
        if may_others_start:
            database.has_due_jobs.set()


async def _succeed(database: Database, job: Job) -> bool:
    """Returns whether other jobs may start now."""
    task, arguments = _call_of(job)
    async with AsyncExitStack() as stack:
        uow: UnitOfWork | None = None
        given: list[UnitOfWork | AsyncSession] = []
        if UnitOfWork in task.takes:
            given.append(uow := await stack.enter_async_context(unit_of_work(database)))
        if AsyncSession in task.takes:
            given.append(await stack.enter_async_context(database.read()))
        call = partial(task.function, *given, **arguments)
        work = call() if task.is_async else run_in_thread(call)
        result = task.pack_result(await run_task(database, job, task, work))
        if uow:
            await uow.session.flush()
            connection = await uow.session.connection()
            [is_followed] = await ledger.succeed(connection, [ledger.Success(job, result)])
            if isinstance(is_followed, ledger.LeaseLost):
                raise is_followed
            return is_followed or bool(uow.jobs)
    return await database.write_with_retry(ledger.succeed, ledger.Success(job, result), PATIENCE)


async def _fail(
    database: Database, job: Job, error: BaseException, about: dict[str, object]
) -> None:
    if isinstance(error, Cancelled):
        failure = ledger.Failure(job, Status.CANCELLED, None, Status.CANCELLED)
        await database.write_with_retry(ledger.fail, failure, PATIENCE)
        logger.info("job cancelled", extra=about)
        return
    reason = redaction.redacted(_reason_of(error))[: ledger.MAX_TEXT_LENGTH]
    tracing.record_failure(error, reason)
    wait = wait_after(job, error)
    is_unknown = isinstance(error, UnknownCall)
    failure = ledger.Failure(job, reason, wait, is_unknown=is_unknown)
    await database.write_with_retry(ledger.fail, failure, PATIENCE)
    attempt = f"attempt {job.attempts} of {job.max_tries}"
    if wait is not None:
        seconds = wait.total_seconds()
        logger.warning("%s failed, next in %.1f s: %s", attempt, seconds, reason, extra=about)
    else:
        # An outage needs no traceback.
        trace = None if isinstance(error, DatabaseUnavailable | GiveUp) else error
        logger.error("job failed at %s: %s", attempt, reason, exc_info=trace, extra=about)
        # Jobs may wait for this failure.
        database.has_due_jobs.set()


def _reason_of(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as raised:  # a task may raise anything
        text = f"its text cannot be read, because of a {type(raised).__name__}"
    if isinstance(error, BaseExceptionGroup):
        text += f": {'; '.join(map(_reason_of, error.exceptions))}"
    return f"{type(error).__name__}: {text}"


def _call_of(job: Job) -> tuple[Task[..., ..., Any], dict[str, Any]]:
    if job.task not in registry:
        raise UnknownCall("the code has no task of this name")
    task = registry[job.task]
    try:
        return task, task.unpack(job)
    except (TypeError, ValueError) as error:
        raise UnknownCall(f"its arguments do not fit: {error}") from None
