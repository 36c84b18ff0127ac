"""What every request passes: the limits, the access log, and the headers of every response."""

import logging
import re
import uuid
from collections.abc import Callable
from time import perf_counter

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.jobs.schemas import root_path
from app.settings import Settings
from app.telemetry.log import bound, request_id
from app.telemetry.tracing import is_routine
from app.web.problems import ProblemResponse, problem

logger = logging.getLogger(__name__)

Observe = Callable[[Scope, int, float], None]

# Probes and scrapers use the address of the process as the host.
PROBED = ("/health/live", "/health/ready", "/metrics")
OWN_ID = "X-Request-ID"
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A route may set others.
SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ONLY_HTTPS_FOR_A_YEAR = "max-age=31536000"
REFUSALS = {400: "This Host header is not allowed.", 413: "The request body is too large."}


def add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added sees the request first and the response last."""
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    if settings.trusted_hosts:
        hosts = settings.trusted_hosts
        app.add_middleware(TrustedHosts, allowed_hosts=hosts, www_redirect=False)
    is_public = settings.environment != "development"
    app.add_middleware(RequestLog, observe=app.state.metrics.observe, is_public=is_public)
    # Outermost, so that a page can read an error too.
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["Authorization", OWN_ID],
            expose_headers=[OWN_ID],
        )


class TrustedHosts(TrustedHostMiddleware):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        app = self.app if path in PROBED else super().__call__
        await app(scope, receive, send)


class RequestLog:
    """Gives each request an id, a line in the log, and a problem as response where it fails."""

    def __init__(self, app: ASGIApp, observe: Observe, *, is_public: bool) -> None:
        self._app = app
        self._observe = observe
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(OWN_ID, "")
        own_id = given if ACCEPTED_ID.fullmatch(given) else str(uuid.uuid4())
        started = perf_counter()
        has_begun = False
        refusal: ProblemResponse | None = None

        async def send_and_log(message: Message) -> None:
            nonlocal has_begun, refusal
            if message["type"] == "http.response.start":
                has_begun = True
                if refusal := refusal_of(message, scope):
                    message["headers"] = refusal.raw_headers
                self._add_headers(message, scope, own_id)
                seconds = perf_counter() - started
                self._observe(scope, message["status"], seconds)
                about = {"status": message["status"], "ms": round(seconds * 1000, 1)}
                is_boring = is_routine(scope) and message["status"] < 400
                level = logging.DEBUG if is_boring else logging.INFO
                logger.log(level, "%s %s", scope["method"], scope["path"], extra=about)
            elif refusal:
                message = {**message, "body": refusal.body}
            await send(message)

        with bound(request_id, own_id), bound(root_path, scope.get("root_path", "")):
            try:
                await self._app(scope, receive, send_and_log)
            except Exception:
                logger.exception("request failed")
                if has_begun:
                    raise
                response = problem(500, "Something went wrong. The error has been logged.")
                await response(scope, receive, send_and_log)

    def _add_headers(self, message: Message, scope: Scope, own_id: str) -> None:
        headers = MutableHeaders(scope=message)
        headers[OWN_ID] = own_id
        # What is left of a refused body must not be taken for the next request.
        if message["status"] == 413 or scope["app"].state.is_draining:
            headers["Connection"] = "close"
        for name, value in SAFE_HEADERS.items():
            headers.setdefault(name, value)
        # On localhost, it would lock out other services of a developer.
        if self._is_public and scope["scheme"] == "https":
            headers.setdefault("Strict-Transport-Security", ONLY_HTTPS_FOR_A_YEAR)


def refusal_of(message: Message, scope: Scope) -> ProblemResponse | None:
    """Starlette's middlewares refuse in plain text. Returns the same refusal as a problem."""
    status = message["status"]
    # A text of 400 may also come from a route.
    if status not in REFUSALS or (status == 400 and "route" in scope):
        return None
    is_plain = Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")
    return problem(status, REFUSALS[status]) if is_plain else None
