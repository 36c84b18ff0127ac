"""What every request must pass, and what every answer carries."""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem

# Probes and scrapers call by address, whatever the name of the service is.
CALLED_BY_ADDRESS = ("/health/live", "/health/ready", "/metrics")
HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")

# For every answer whose route does not say otherwise.
SAFE_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
ONLY_HTTPS_FOR_A_YEAR = (b"strict-transport-security", b"max-age=31536000")


class TrustedHosts:
    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._may_enter(scope):
            await self._app(scope, receive, send)
        else:
            await problem(400, "The service has no such host.")(scope, receive, send)

    def _may_enter(self, scope: Scope) -> bool:
        if scope["path"].removeprefix(scope.get("root_path", "")) in CALLED_BY_ADDRESS:
            return True
        named = HOST.fullmatch(Headers(scope=scope).get("host", "").lower())
        return named is not None and any(
            named[1] == host or (host.startswith("*.") and named[1].endswith(host[1:]))
            for host in self._hosts
        )


class BodyLimit:
    """Refuses what says that it is too large, and reads no more of what turns out to be."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        detail = f"A body may have {self._most_bytes} bytes."
        # What is left of the body must not be taken for the next request.
        headers = {"Connection": "close"}

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most_bytes:
                raise HTTPException(413, detail, headers)
            return message

        if scope["type"] == "http" and self._says_too_much(scope):
            await problem(413, detail, headers=headers)(scope, receive, send)
        else:
            await self._app(scope, receive_within_limit, send)

    def _says_too_much(self, scope: Scope) -> bool:
        length = Headers(scope=scope).get("content-length", "")
        return length.isdecimal() and int(length) > self._most_bytes


class SafeHeaders:
    def __init__(self, app: ASGIApp, *, is_public: bool) -> None:
        self._app = app
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                safe = [header for header in self._headers(scope) if header[0] not in given]
                message["headers"] = [*message["headers"], *safe]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        # A browser that has seen this would miss what else a developer serves on localhost.
        if self._is_public and scope["scheme"] == "https":
            return [*SAFE_HEADERS, ONLY_HTTPS_FOR_A_YEAR]
        return SAFE_HEADERS
