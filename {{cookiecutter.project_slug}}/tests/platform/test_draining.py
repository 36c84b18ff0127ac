"""A web process that is told to stop answers what it has, and takes no more."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.platform.data import ADA
from tests.support.broker import Broker
from tests.support.database import Server
from tests.support.stack import Stack, running_stack

pytestmark = pytest.mark.slow

CLIENTS = 8
JSON = {"Content-Type": "application/json"}
LONG = 3600
Start = Callable[[float], Stack]


@pytest.fixture
def start(server: Server, migrated: str, broker: Broker, tmp_path: Path) -> Iterator[Start]:
    """Starts a service that serves on for so many seconds after SIGTERM."""
    with ExitStack() as opened:

        def start(seconds: float) -> Stack:
            url = server.copy(migrated)
            opened.callback(server.drop, url)
            settings = {"STOP_DELAY_SECONDS": str(seconds)}
            return opened.enter_context(running_stack(url, broker, tmp_path, settings))

        yield start


class Clients:
    """Each registers users on one connection, until the service asks to close it."""

    def __init__(self, stack: Stack) -> None:
        self.answers: list[int] = []
        self.cut: list[Exception] = []
        self._port = port_of(stack)
        self._numbers = count()
        self._threads = [threading.Thread(target=self._register) for _ in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _register(self) -> None:
        connection, is_open = HTTPConnection("127.0.0.1", self._port, timeout=60), True
        try:
            while is_open:
                user = {**ADA, "email": f"user{next(self._numbers)}@example.com"}
                connection.request("POST", "/users", json.dumps(user), JSON)
                response = connection.getresponse()
                response.read()
                self.answers.append(response.status)
                is_open = response.getheader("Connection") != "close"
        except Exception as error:
            self.cut.append(error)
        finally:
            connection.close()


def port_of(stack: Stack) -> int:
    return int(stack.service.url.rpartition(":")[2])


def test_no_request_is_cut_when_the_process_stops_under_load(start: Start) -> None:
    stack = start(1)
    with Clients(stack) as clients:
        stack.service.until(lambda: len(clients.answers) >= 5 * CLIENTS)
        stack.service.web.terminate()
    assert clients.cut == []
    assert set(clients.answers) == {201}
    stack.service.web.wait()
    stack.service.start()
    assert stack.client.get("/jobs").json()["total"] >= 2 * len(clients.answers)


def test_a_request_whose_body_is_on_its_way_is_answered(start: Start) -> None:
    stack = start(0)
    body = json.dumps(ADA).encode()
    headers = {"Host": "127.0.0.1", "Content-Length": len(body), **JSON}
    lines = ["POST /users HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, "", ""])
    with socket.create_connection(("127.0.0.1", port_of(stack))) as connection:
        connection.sendall(head.encode() + body[:10])
        # Answered after the head above has been read.
        assert httpx.get(f"{stack.service.url}/health/live").is_success
        stack.service.web.terminate()
        stack.service.until(lambda: "Shutting down" in stack.service.web.log)
        connection.sendall(body[10:])
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in answer.lower()
    stack.service.web.wait()


def test_while_it_stops_a_process_answers_on_open_connections_but_is_not_ready(
    start: Start,
) -> None:
    stack = start(LONG)
    with httpx.Client(base_url=stack.service.url) as idle:
        assert idle.get("/health/ready").json()["status"] == "ok"
        stack.service.web.terminate()
        stack.service.until(lambda: stack.client.get("/health/ready").status_code == 503)
        answer = idle.post("/users", json=ADA)
        assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
    assert stack.client.get("/health/ready").json()["status"] == "stopping"
    assert stack.client.get("/health/live").is_success
    stack.service.kill()
