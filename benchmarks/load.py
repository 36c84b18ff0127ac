"""A load generator: each client sends its next request when the last one is answered."""

import asyncio
import itertools
import json
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.machine import OTHERS, on

CLIENTS = 8
TOKEN = secrets.token_hex()
# Above this share of a core, the clients are the bottleneck.
MOST_BUSY = 0.9


@dataclass(frozen=True)
class Load:
    took: float
    computed: float
    milliseconds: list[float]
    bodies: list[bytes]

    @property
    def rate(self) -> float:
        assert self.computed < MOST_BUSY * self.took, "the clients are slower than the server"
        return len(self.milliseconds) / self.took


def registrations(count: int, path: str = "/users") -> list[bytes]:
    return [request("POST", path, new_user()) for _ in range(count)]


def new_user() -> dict[str, str]:
    return {"email": f"{uuid.uuid4().hex}@example.com", "full_name": "Ada"}


def request(method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {TOKEN}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def call(url: str, method: str, path: str, body: object = None) -> Any:
    [answer] = put_load([url], [request(method, path, body)], 1).bodies
    return json.loads(answer)


def put_load(urls: Sequence[str], requests: Sequence[bytes], clients: int = CLIENTS) -> Load:
    """Sends all requests with that many clients, spread over the servers."""
    with on(OTHERS):
        return asyncio.run(_load(urls, requests, clients))


async def _load(urls: Sequence[str], requests: Sequence[bytes], clients: int) -> Load:
    to_send = iter(requests)
    answers: list[tuple[float, bytes]] = []
    computed, started = time.process_time(), time.perf_counter()
    servers = itertools.islice(itertools.cycle(urls), clients)
    await asyncio.gather(*(_client(url, to_send, answers) for url in servers))
    took, computed = time.perf_counter() - started, time.process_time() - computed
    seconds, bodies = zip(*answers, strict=True)
    return Load(took, computed, [1000 * each for each in seconds], list(bodies))


async def _client(url: str, to_send: Iterator[bytes], answers: list[tuple[float, bytes]]) -> None:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    for content in to_send:
        sent_at = time.perf_counter()
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        answers.append((time.perf_counter() - sent_at, body))
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(f"unexpected response: {head.decode()}{body.decode()}")
    writer.close()
    await writer.wait_closed()
