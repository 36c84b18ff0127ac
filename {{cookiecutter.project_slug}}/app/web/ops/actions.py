"""What the buttons do. Each is a conditional UPDATE: whoever comes second changes nothing."""

import logging
from time import monotonic

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.database import utc_now
from app.errors import Conflict
from app.jobs import Job, unit_of_work
from app.jobs.control import CHANGES, SLICE, retry_failed
from app.jobs.models import OPEN, Schedule
from app.web.jobs import ActionName, JobId, TaskName
from app.web.ops.guard import link

router = APIRouter()
logger = logging.getLogger(__name__)

MAX_SECONDS = 5


def _answer(request: Request, place: str, did: str, count: int, **about: object) -> Response:
    """Back to the page, which says what was done. So does the log."""
    if count:
        logger.info("operator: %s", did, extra={"count": count, **about})
        request.app.state.board.forget()
    else:
        did = "nothing"
    return RedirectResponse(link(request, f"/ops{place}?did={did}&n={count}"), 303)


@router.post("/jobs/{job_id}/{action}")
async def change_job(request: Request, job_id: JobId, action: ActionName) -> Response:
    did: str = action
    try:
        async with unit_of_work(request.state.database) as uow:
            count = int(await CHANGES[action](uow.session, job_id))
    except Conflict:
        did, count = "blocked", 1
    return _answer(request, f"/jobs/{job_id}", did, count, job=str(job_id))


@router.post("/tasks/{task}/retry")
async def retry_all(request: Request, task: TaskName) -> Response:
    clicked_at, stop_at = utc_now(), monotonic() + MAX_SECONDS
    retried, found = 0, SLICE
    while found == SLICE and monotonic() < stop_at:
        async with unit_of_work(request.state.database) as uow:
            # What fails again meanwhile is left alone.
            found = await retry_failed(uow.session, task, SLICE, clicked_at)
        retried += found
    did = "retry-some" if found == SLICE else "retry"
    return _answer(request, "", did, retried, task=task)


@router.post("/schedules/{task}/run")
async def run_schedule(request: Request, task: TaskName) -> Response:
    """The relay enqueues it, unless its last run is still in progress."""
    now = utc_now()
    is_running = sa.exists().where(Job.id == Schedule.job_id, OPEN)
    is_later = (Schedule.task == task) & (Schedule.next_at > now) & ~is_running
    run_now = sa.update(Schedule).where(is_later).values(next_at=now).returning(Schedule.task)
    async with unit_of_work(request.state.database) as uow:
        count = len((await uow.session.scalars(run_now)).all())
    return _answer(request, "", "run-schedule", count, task=task)
