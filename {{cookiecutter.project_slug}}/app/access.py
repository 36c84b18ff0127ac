"""Gives every request an id, an answer even where the code fails, and a line in the log."""

import logging
import re
import uuid
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem
from app.log import bound, request_id
from app.metrics import Metrics

logger = logging.getLogger(__name__)

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class AccessLog:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        own_id = given if ACCEPTED_ID.fullmatch(given) else str(uuid.uuid4())
        started = perf_counter()
        has_begun = False

        async def send_and_log(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                MutableHeaders(scope=message)["X-Request-ID"] = own_id
                seconds = perf_counter() - started
                self._metrics.observe(scope, message["status"], seconds)
                logger.info(
                    "%s %s",
                    scope["method"],
                    scope["path"],
                    extra={"status": message["status"], "ms": round(seconds * 1000, 1)},
                )
            await send(message)

        with bound(request_id, own_id):
            try:
                await self._app(scope, receive, send_and_log)
            except Exception:
                logger.exception("the request failed")
                if has_begun:
                    raise
                answer = problem(500, "Something went wrong here; it has been logged.")
                await answer(scope, receive, send_and_log)
