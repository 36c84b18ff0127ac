"""The pages, what their buttons do, and the way in and out.

What a button does is a conditional UPDATE: whoever comes second changes nothing.
"""

import logging
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from app.database import utc_now
from app.errors import Conflict, NotFound
from app.jobs import unit_of_work
from app.jobs.control import CHANGES, SLICE, find, retry_failed, run_schedule
from app.web.deps import Session
from app.web.jobs import ActionName, JobId, TaskName
from app.web.ops import guard
from app.web.ops.board import MAX_COUNT, Board
from app.web.ops.html import page
from app.web.ops.listing import Filter, list_jobs, relatives

logger = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)
public = APIRouter(prefix="/ops")
guarded = APIRouter(prefix="/ops", dependencies=guard.OperatorOnly)

STATIC = Path(__file__).parent / "static"
# How long a click on "Retry all" takes at most.
MAX_RETRY_SECONDS = 5


def missing(request: Request, error: NotFound) -> Response:
    url = guard.link(request, "/ops/jobs")
    return page(request, "message.html", 404, text=error.detail, url=url)


@guarded.get("")
async def overview(request: Request) -> Response:
    board: Board = request.app.state.board
    seen = await board.look(request.state.database)
    return page(request, "overview.html", seen=seen, max_count=MAX_COUNT)


@guarded.get("/jobs")
async def jobs(request: Request, session: Session, wanted: Annotated[Filter, Query()]) -> Response:
    try:
        found, older = await list_jobs(session, wanted)
    except NotFound as error:
        return missing(request, error)
    return page(request, "jobs.html", wanted=wanted, jobs=found, older=older)


@guarded.get("/jobs/{job_id}")
async def job(request: Request, session: Session, job_id: JobId) -> Response:
    try:
        found = await find(session, job_id)
    except NotFound as error:
        return missing(request, error)
    before, after = await relatives(session, found)
    return page(request, "job.html", job=found, before=before, after=after)


def _answer(request: Request, place: str, did: str, count: int, **about: object) -> Response:
    """Back to the page, which says what was done. So does the log."""
    if count:
        logger.info("operator: %s", did, extra={"count": count, **about})
        request.app.state.board.forget()
    else:
        did = "nothing"
    return RedirectResponse(guard.link(request, f"/ops{place}?did={did}&n={count}"), 303)


@guarded.post("/jobs/{job_id}/{action}")
async def change_job(request: Request, job_id: JobId, action: ActionName) -> Response:
    did: str = action
    try:
        async with unit_of_work(request.state.database) as uow:
            count = int(await CHANGES[action](uow.session, job_id))
    except Conflict:
        did, count = "blocked", 1
    return _answer(request, f"/jobs/{job_id}", did, count, job=str(job_id))


@guarded.post("/tasks/{task}/retry")
async def retry_all(request: Request, task: TaskName) -> Response:
    clicked_at, stop_at = utc_now(), monotonic() + MAX_RETRY_SECONDS
    retried, found = 0, SLICE
    while found == SLICE and monotonic() < stop_at:
        async with unit_of_work(request.state.database) as uow:
            # What fails again meanwhile is left alone.
            found = await retry_failed(uow.session, task, SLICE, clicked_at)
        retried += found
    did = "retry-some" if found == SLICE else "retry"
    return _answer(request, "", did, retried, task=task)


@guarded.post("/schedules/{task}/run")
async def start_schedule(request: Request, task: TaskName) -> Response:
    async with unit_of_work(request.state.database) as uow:
        count = await run_schedule(uow.session, task)
    return _answer(request, "", "run-schedule", count, task=task)


@public.get("/login")
async def login_form(
    request: Request,
    wanted: Annotated[str, Query(alias="next")] = "/ops",
    came: Literal["in", "back", "wrong", ""] = "",
) -> Response:
    here = guard.own_page(wanted)
    if guard.has_session(request):
        return RedirectResponse(guard.link(request, here), 303)
    # A browser keeps the cookie back when somebody follows a link from another site. If our own
    # page leads here, it sends the cookie.
    if request.headers.get("sec-fetch-site") == "cross-site" and not came:
        back = f"{guard.login(request, here)}&came=back"
        return page(request, "message.html", text="One moment", url=back, refresh=True)
    return page(request, "login.html", wanted=here, came=came)


@public.post("/login", dependencies=[guard.SameOrigin])
async def log_in(request: Request) -> Response:
    given = dict(parse_qsl((await request.body()).decode(errors="replace")))
    login = guard.login(request, guard.own_page(given.get("next", "/ops")))
    if not guard.is_right(given.get("token", "")):
        return RedirectResponse(f"{login}&came=wrong", 303)
    # It leads on, unless the browser did not keep the cookie.
    response = RedirectResponse(f"{login}&came=in", 303)
    guard.set_session(response)
    return response


@public.post("/logout", dependencies=[guard.SameOrigin])
async def log_out(request: Request) -> Response:
    response = RedirectResponse(guard.link(request, "/ops/login"), 303)
    guard.set_session(response, 0)
    return response


@public.get("/static/{name}")
async def static(name: Literal["ops.css", "ops.js", "icon.svg"]) -> Response:
    return FileResponse(STATIC / name, headers={"Cache-Control": "max-age=300"})


router.include_router(public)
router.include_router(guarded)
