"""Runs the function of a task, within its timeout and while the lease of its job is kept."""

import asyncio
import logging
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.jobs.models import Job
from app.jobs.running import Progress, progress
from app.jobs.runtime import leases, ledger
from app.jobs.runtime.retries import wait_after
from app.jobs.task import Task
from app.settings import get_settings
from app.telemetry import log

logger = logging.getLogger(__name__)

# How long a cancelled task may take to end. Then it is left behind.
CLEAN_UP_SECONDS = 8


class Cancelled(Exception):
    """A service or an operator has cancelled the running job."""


async def run_task(
    database: Database, job: Job, task: Task[..., ..., Any], work: Coroutine[Any, Any, object]
) -> object:
    """Stop it after its timeout, or if the job is lost or cancelled."""
    seconds = task.timeout.total_seconds()
    late = TimeoutError(f"timed out after {seconds:g} s")
    now = Progress()
    with log.bound(progress, now):
        running = asyncio.create_task(_outcome(work), name=job.task)
    began = monotonic()
    is_lost = is_cancelled = is_late = False

    async def renew(connection: AsyncConnection) -> bool:
        nonlocal is_lost, is_cancelled
        if monotonic() < began + seconds + CLEAN_UP_SECONDS + get_settings().jobs_lease_seconds:
            must_stop = await ledger.renew(connection, job, now.percent, now.note)
            is_lost, is_cancelled = must_stop is None, must_stop is True
        elif not is_lost:
            # The event loop has been blocked for too long: this process may never go on.
            is_lost = True
            reason = f"TimeoutError: {late}: the event loop is blocked"
            failure = ledger.Failure(job, reason, wait_after(job, late))
            await ledger.fail(connection, [failure])
        return not (is_lost or is_cancelled)

    with leases.keeper_of(database).keep(renew, running.cancel):
        try:
            done, _ = await asyncio.wait([running], timeout=seconds)
            is_late = not done
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running], timeout=CLEAN_UP_SECONDS)
    if is_lost:
        raise ledger.LeaseLost
    if not running.done():
        logger.warning("a cancelled task does not end", extra={"task": job.task})
    if is_cancelled:
        raise Cancelled
    if not running.done():
        raise late
    result, error = running.result()
    # A timer of uvloop may fire some milliseconds early, and none fires while the loop is blocked.
    if is_late or monotonic() - began >= seconds:
        raise late from error
    if isinstance(error, asyncio.CancelledError):
        raise RuntimeError("the task cancelled itself") from error
    if error:
        raise error
    return result


async def _outcome(work: Coroutine[Any, Any, object]) -> tuple[object, BaseException | None]:
    """Whatever a task raises must not end the event loop."""
    try:
        return await work, None
    except BaseException as error:
        return None, error
