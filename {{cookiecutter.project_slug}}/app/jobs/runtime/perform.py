"""Runs one job, the same way behind every engine."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database, DatabaseUnavailable
from app.jobs.models import Job, Status
from app.jobs.running import GiveUp, Progress, TryAgain, progress
from app.jobs.runtime import ledger
from app.jobs.runtime.threads import run_in_thread
from app.jobs.task import Task, registry
from app.jobs.uow import UnitOfWork, unit_of_work
from app.settings import get_settings
from app.telemetry import log, redaction, tracing

logger = logging.getLogger(__name__)

# How long to retry recording an outcome while the database is unavailable: nobody else can take
# the job meanwhile. Engines allow a job more than this beyond the timeout of its task.
PATIENCE = timedelta(seconds=20)


class Unrunnable(Exception):
    """The job does not fit the code, so another try would fail too."""


class Cancelled(Exception):
    """A service or an operator has cancelled the running job."""


async def perform(database: Database, job_id: uuid.UUID) -> None:
    """Run a job, if it is due and no other process has it."""
    try:
        job = await _claim(database, job_id)
        if job is None:
            async with database.read() as session:
                if await session.get(Job, job_id) is None:
                    logger.warning("there is no such job", extra={"job_id": str(job_id)})
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
    except (Exception, SystemExit) as error:
        await _fail(database, job, error, about)
    else:
        logger.info("job succeeded", extra=about)
        if may_others_start:
            database.has_due_jobs.set()


async def _succeed(database: Database, job: Job) -> bool:
    """Returns whether other jobs may start now."""
    task, arguments = _call_of(job)
    limits = _limits(database, job, task.timeout.total_seconds())
    if not task.is_async:
        async with limits:
            result = await run_in_thread(partial(task.function, **arguments))
        success = ledger.Success(job, task.pack_result(result))
        return await database.write_with_retry(ledger.succeed, success, PATIENCE)
    async with AsyncExitStack() as stack:
        uow: UnitOfWork | None = None
        given: list[UnitOfWork | AsyncSession] = []
        if UnitOfWork in task.takes:
            given.append(uow := await stack.enter_async_context(unit_of_work(database)))
        if AsyncSession in task.takes:
            given.append(await stack.enter_async_context(database.read()))
        async with limits:
            result = await task.function(*given, **arguments)
        success = ledger.Success(job, task.pack_result(result))
        if uow is None:
            return await database.write_with_retry(ledger.succeed, success, PATIENCE)
        await uow.session.flush()
        [is_followed] = await ledger.succeed(await uow.session.connection(), [success])
        if isinstance(is_followed, ledger.LeaseLost):
            raise is_followed
    return is_followed or bool(uow.jobs)


async def _fail(
    database: Database, job: Job, error: BaseException, about: dict[str, object]
) -> None:
    if isinstance(error, Cancelled):
        failure = ledger.Failure(job, ledger.CANCELLED_BY_REQUEST, None, Status.CANCELLED)
        await database.write_with_retry(ledger.fail, failure, PATIENCE)
        logger.info("job cancelled", extra=about)
        return
    tracing.record_failure(error)
    reason = redaction.redacted(f"{type(error).__name__}: {error}")
    wait = _wait_after(job, error)
    await database.write_with_retry(ledger.fail, ledger.Failure(job, reason, wait), PATIENCE)
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


def _wait_after(job: Job, error: BaseException) -> timedelta | None:
    if isinstance(error, Unrunnable | GiveUp) or job.attempts >= job.max_tries:
        return None
    return error.delay if isinstance(error, TryAgain) else registry[job.task].backoff(job.attempts)


def _call_of(job: Job) -> tuple[Task[..., ..., Any], dict[str, Any]]:
    try:
        task = registry[job.task]
        return task, task.unpack(job)
    except KeyError:
        raise Unrunnable("the code has no task of this name") from None
    except ValidationError as error:
        misfits = (
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise Unrunnable(f"its arguments do not fit: {'; '.join(misfits)}") from None


@asynccontextmanager
async def _limits(database: Database, job: Job, seconds: float) -> AsyncIterator[None]:
    """Renew the lease meanwhile. Stop the work after its timeout, or if it is cancelled."""
    running = Progress()
    try:
        async with asyncio.timeout(seconds) as deadline:
            renewal = asyncio.create_task(_renew(database, job, running, deadline))
            with log.bound(progress, running):
                try:
                    yield
                finally:
                    renewal.cancel()
    except TimeoutError as error:
        if renewal.done() and not renewal.cancelled():
            raise Cancelled from error
        if deadline.expired():
            raise TimeoutError(f"timed out after {seconds:g} s") from error
        raise
    except asyncio.CancelledError as error:
        if (current := asyncio.current_task()) and current.cancelling():
            raise
        raise RuntimeError("the task cancelled itself") from error


async def _renew(
    database: Database, job: Job, running: Progress, deadline: asyncio.Timeout
) -> None:
    """Ends when somebody has cancelled the job."""
    while True:
        await asyncio.sleep(get_settings().jobs_lease_seconds / 3)
        try:
            async with database.engine.begin() as connection:
                must_stop = await ledger.renew(connection, job, running.percent, running.note)
        except Exception as error:
            logger.warning("the lease of a job could not be renewed: %r", error)
            continue
        if must_stop is not False:
            deadline.reschedule(0)
        if must_stop:
            return
