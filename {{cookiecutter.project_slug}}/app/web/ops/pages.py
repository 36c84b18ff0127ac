"""The pages, and the way in and out."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from app.errors import NotFound
from app.jobs.control import find
from app.web.deps import Session
from app.web.jobs import JobId
from app.web.ops import actions, guard
from app.web.ops.board import MAX_COUNT, Board
from app.web.ops.html import page
from app.web.ops.listing import Filter, list_jobs, relatives

router = APIRouter(include_in_schema=False)
public = APIRouter(prefix="/ops")
guarded = APIRouter(prefix="/ops", dependencies=guard.OperatorOnly)

STATIC = Path(__file__).parent / "static"


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


guarded.include_router(actions.router)
router.include_router(public)
router.include_router(guarded)
