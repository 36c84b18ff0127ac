"""Runs one job, the same way behind every engine."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from app.database import Database, DatabaseUnavailable
from app.jobs.models import Job
from app.jobs.runtime import ledger
from app.jobs.runtime.threads import run_in_thread
from app.jobs.task import Task, registry
from app.jobs.uow import unit_of_work
from app.settings import get_settings
from app.telemetry import log, redaction, tracing

logger = logging.getLogger(__name__)

# How long to retry recording an outcome while the database is unavailable: nobody else can take
# the job meanwhile. Engines allow a job more than this beyond the timeout of its task.
PATIENCE = timedelta(seconds=20)


class UnknownCall(Exception):
    """This code does not know the task or its arguments. During a deploy, other code may."""


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
    if task.takes_uow:
        async with unit_of_work(database) as uow:
            async with limits:
                await task.function(uow, **arguments)
            await uow.session.flush()
            [is_followed] = await ledger.succeed(await uow.session.connection(), [job])
            if isinstance(is_followed, ledger.LeaseLost):
                raise is_followed
        return is_followed or bool(uow.jobs)
    async with limits:
        if task.is_async:
            await task.function(**arguments)
        else:
            await run_in_thread(partial(task.function, **arguments))
    return await database.write_with_retry(ledger.succeed, job, PATIENCE)


async def _fail(
    database: Database, job: Job, error: BaseException, about: dict[str, object]
) -> None:
    tracing.record_failure(error)
    reason = redaction.redacted(f"{type(error).__name__}: {error}")
    failure = ledger.Failure(job, reason, is_unknown=isinstance(error, UnknownCall))
    wait = await database.write_with_retry(ledger.fail, failure, PATIENCE)
    attempt = f"attempt {job.attempts} of {job.max_tries}"
    if wait:
        seconds = wait.total_seconds()
        logger.warning("%s failed, next in %.1f s: %s", attempt, seconds, reason, extra=about)
    else:
        # An outage needs no traceback.
        trace = None if isinstance(error, DatabaseUnavailable) else error
        logger.error("job failed at %s: %s", attempt, reason, exc_info=trace, extra=about)


def _call_of(job: Job) -> tuple[Task[..., ..., Any], dict[str, Any]]:
    if job.task not in registry:
        raise UnknownCall("the code has no task of this name")
    task = registry[job.task]
    try:
        return task, task.unpack(job)
    except (TypeError, ValueError) as error:
        raise UnknownCall(f"its arguments do not fit: {error}") from None


@asynccontextmanager
async def _limits(database: Database, job: Job, seconds: float) -> AsyncIterator[None]:
    """Renew the lease meanwhile. Stop the work after its timeout, or if the lease is lost."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            renewal = asyncio.create_task(_renew(database, job, deadline))
            try:
                yield
            finally:
                renewal.cancel()
    except TimeoutError as error:
        if deadline.expired():
            raise TimeoutError(f"timed out after {seconds:g} s") from error
        raise
    except asyncio.CancelledError as error:
        if (current := asyncio.current_task()) and current.cancelling():
            raise
        raise RuntimeError("the task cancelled itself") from error


async def _renew(database: Database, job: Job, deadline: asyncio.Timeout) -> None:
    while True:
        await asyncio.sleep(get_settings().jobs_lease_seconds / 3)
        try:
            async with database.engine.begin() as connection:
                if not await ledger.renew(connection, job):
                    deadline.reschedule(0)
        except Exception as error:
            logger.warning("the lease of a job could not be renewed: %r", error)
