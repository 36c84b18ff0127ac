"""The app, called as its server would."""

import json
import os
import uuid
from typing import Any

from fastapi import FastAPI

from app.jobs import Job

BEARER = f"Bearer {os.environ['API_TOKEN']}"


class SilentRelay:
    async def hand_over(self, jobs: list[Job]) -> None: ...


async def call(
    app: FastAPI, state: dict[str, object], method: str, path: str, content: object = None
) -> Any:
    body = b"" if content is None else json.dumps(content).encode()
    headers = {"host": "127.0.0.1", "content-type": "application/json", "authorization": BEARER}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "scheme": "http",
        "state": state,
    }
    answer = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) < 300, message
        answer.extend(message.get("body", b""))

    await app(scope, receive, send)
    return json.loads(answer)


async def post_user(app: FastAPI, state: dict[str, object]) -> Any:
    user = {"email": f"{uuid.uuid4().hex}@example.com", "full_name": "Ada"}
    return await call(app, state, "POST", "/users", user)
