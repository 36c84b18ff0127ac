"""Clients that send their next request when the last one is answered, and time each."""

import asyncio
import itertools
import json
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.machine import OTHERS, on

CLIENTS = 8
TOKEN = secrets.token_hex()


@dataclass(frozen=True)
class Load:
    took: float
    latencies: list[float]
    # The share of the time in which the clients computed: near 1, it is they who are measured.
    busy: float
    bodies: list[bytes]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.took


def registrations(count: int) -> list[bytes]:
    """Requests that register a user each, whom nobody else has registered."""
    users = ({"email": f"{uuid.uuid4().hex}@example.com", "full_name": "Ada"} for _ in range(count))
    return [request("POST", "/users", user) for user in users]


def request(method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {TOKEN}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def put_load(urls: Sequence[str], requests: Sequence[bytes], clients: int = CLIENTS) -> Load:
    """Send them all, by so many clients at a time, to the servers in turn."""
    with on(OTHERS):
        return asyncio.run(_load(urls, requests, clients))


async def _load(urls: Sequence[str], requests: Sequence[bytes], clients: int) -> Load:
    to_send = iter(requests)
    answers: list[tuple[float, bytes]] = []
    computed, started = time.process_time(), time.perf_counter()
    servers = itertools.islice(itertools.cycle(urls), clients)
    await asyncio.gather(*(_client(url, to_send, answers) for url in servers))
    took, computed = time.perf_counter() - started, time.process_time() - computed
    latencies, bodies = (list(column) for column in zip(*answers, strict=True))
    return Load(took, latencies, computed / took, bodies)


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
            raise RuntimeError(f"refused: {head.decode()}{body.decode()}")
    writer.close()
    await writer.wait_closed()
