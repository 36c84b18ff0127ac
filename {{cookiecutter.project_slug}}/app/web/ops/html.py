"""Renders the pages. Everything that is not markup of ours is escaped."""

import re
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.database import utc_now
from app.jobs import Status, registry
from app.jobs.task import all_queues, shown_arguments
from app.web.ops.guard import is_open, link

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # With no-referrer, browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
}
UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
# A redirect names the text: a page shows no text of its URL.
NOTICES = {
    "retry": "Queued again: {n:,}.",
    "retry-some": "Queued again: {n:,}. There are more: retry them too.",
    "cancel": "The job is cancelled, or will stop soon if it is running.",
    "run-now": "The job starts now.",
    "run-schedule": "The schedule runs now.",
    "blocked": "Not retried: another job of this task and key is open.",
    "nothing": "Nothing has changed: the job, or the last run, is in another state by now.",
}


def age(value: timedelta | datetime | None) -> str:
    """How long, or how long ago, in two units at most: `2 h 5 min`."""
    if value is None:
        return "-"
    seconds = (utc_now() - value if isinstance(value, datetime) else value).total_seconds()
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    for size, name, part, smaller in UNITS:
        if whole >= size:
            rest = f" {whole % size // part} {smaller}" if whole % size >= part else ""
            return f"{whole // size} {name}{rest}"
    return f"{whole} s"


environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.filters |= {
    "age": age,
    "moment": "{:%Y-%m-%d %H:%M:%S UTC}".format,
    "number": "{:,}".format,
}
environment.globals |= {
    "all_queues": all_queues,
    "has_login": lambda: not is_open(),
    "registry": registry,
    "shown_arguments": shown_arguments,
    "statuses": [*Status],
}


def page(request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
    asked = request.query_params
    count = asked.get("n", "") if re.fullmatch("[0-9]{1,9}", asked.get("n", "")) else "0"
    text = environment.get_template(name).render(
        **values,
        title=request.app.title,
        base=link(request, "/ops"),
        notice=NOTICES.get(asked.get("did", ""), "").format(n=int(count)),
        now=utc_now(),
    )
    return HTMLResponse(text, status, HEADERS)
