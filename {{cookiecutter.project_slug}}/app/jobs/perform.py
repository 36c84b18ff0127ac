"""Run one job: the same lines behind every engine."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError

from app import discretion, log, tracing
from app.connections import DatabaseAway
from app.db import Database
from app.jobs import Job, Task, ledger
from app.jobs.threads import run_in_thread
from app.settings import get_settings
from app.tasks import tasks
from app.uow import unit_of_work

logger = logging.getLogger(__name__)

# How long the end of a job waits for a database that is away, from which nobody else can take it.
# It is less than what the engines give a job beyond the limit of its task.
PATIENCE = timedelta(seconds=20)


class Unrunnable(Exception):
    """The job does not fit the code, and another try would not change that."""


async def perform(database: Database, job_id: uuid.UUID) -> list[Job]:
    """Run a job, if it is due and nobody else has it; return the jobs that it released."""
    try:
        job = await _claim(database, job_id)
    except DatabaseAway as error:
        logger.warning("a job cannot be begun, and will be later: %s", error)
        return []
    if job is None:
        async with database.read() as session:
            if await session.get(Job, job_id) is None:
                logger.warning("there is no such job", extra={"job_id": str(job_id)})
        return []
    with log.working_on(str(job.id), job.request_id), discretion.hiding(job.arguments):
        about = {"task": job.task, "attempt": job.attempts}
        try:
            with tracing.job_span(job.task, job.attempts, job.traceparent):
                return await _try(database, job, about)
        except ledger.LeaseLost:
            logger.warning("job lost its lease, so this try is not recorded", extra=about)
        except DatabaseAway as error:
            logger.error("job will run again, its end is not recorded: %s", error, extra=about)
        return []


async def _claim(database: Database, job_id: uuid.UUID) -> Job | None:
    patience = get_settings().jobs_lease

    async def claim() -> Job | None:
        job = await database.persist(ledger.claim_unlocked, job_id, patience)
        return job or await database.persist(ledger.claim, job_id, patience, is_shared=False)

    claiming = asyncio.create_task(claim())
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # What may be written already is not for nobody.
        with suppress(DatabaseAway):
            if job := await claiming:
                await _give_back(database, job)
        raise


async def _give_back(database: Database, job: Job) -> None:
    with suppress(ledger.LeaseLost, DatabaseAway):
        async with database.engine.begin() as connection:
            await ledger.give_back(connection, job)


async def _try(database: Database, job: Job, about: dict[str, object]) -> list[Job]:
    logger.info("job started", extra=about)
    try:
        released = await _run(database, job)
    except asyncio.CancelledError:
        await _give_back(database, job)
        logger.warning("job given back, because this process stops", extra=about)
        raise
    except ledger.LeaseLost:
        raise
    except (Exception, SystemExit) as error:
        tracing.record_failure(error)
        reason = discretion.discreet(f"{type(error).__name__}: {error}")
        failure = ledger.Failure(job, reason, is_final=isinstance(error, Unrunnable))
        status = await database.persist(ledger.fail, failure, PATIENCE)
        # An outage is told in one line; what is wrong in a task needs to be found.
        has_trace = not isinstance(error, DatabaseAway)
        logger.exception("job failed", exc_info=has_trace, extra={**about, "status": status})
        return []
    logger.info("job succeeded", extra=about)
    return released


async def _run(database: Database, job: Job) -> list[Job]:
    task, arguments = _call_of(job)
    seconds = task.timeout.total_seconds()
    if task.is_supplied:
        async with unit_of_work(database, get_settings().jobs_lease) as uow:
            async with _limits(database, job, seconds):
                await task.function(uow, **arguments)
            await uow.session.flush()
            [released] = await ledger.succeed(await uow.session.connection(), [job])
            if isinstance(released, ledger.LeaseLost):
                raise released
        return [*uow.in_hand, *released]
    async with _limits(database, job, seconds):
        if task.is_async:
            await task.function(**arguments)
        else:
            await run_in_thread(partial(task.function, **arguments))
    return await database.persist(ledger.succeed, job, PATIENCE)


def _call_of(job: Job) -> tuple[Task[..., ..., Any], dict[str, Any]]:
    try:
        task = tasks[job.task]
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
    """Renew the lease meanwhile; stop the work when its time is over or its lease is lost."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            renewal = asyncio.create_task(_renew(database, job, deadline))
            try:
                yield
            finally:
                renewal.cancel()
    except TimeoutError as error:
        if deadline.expired():
            raise TimeoutError(f"not done after {seconds:g} s") from error
        raise
    except asyncio.CancelledError as error:
        if (current := asyncio.current_task()) and current.cancelling():
            raise
        raise RuntimeError("the task has cancelled itself") from error


async def _renew(database: Database, job: Job, deadline: asyncio.Timeout) -> None:
    while True:
        await asyncio.sleep(get_settings().jobs_lease.total_seconds() / 3)
        try:
            async with database.engine.begin() as connection:
                await ledger.renew(connection, job)
        except ledger.LeaseLost:
            deadline.reschedule(0)
        except Exception as error:
            logger.warning("the lease of a job could not be renewed: %r", error)
