"""Plain BackgroundTasks: the web process runs them, and loses them when it ends."""

import os
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import uvicorn
from bare.command import main
from bare.work import wait
from fastapi import BackgroundTasks, FastAPI

# As many at a time as the service is sent.
REQUESTS = 10
PORT = int(os.environ["PORT"])

app = FastAPI()


@app.post("/probes")
async def accept(count: int, seconds: float, background: BackgroundTasks) -> None:
    for _ in range(count):
        background.add_task(wait, time.time(), seconds)


def work() -> None:
    uvicorn.run(app, port=PORT, log_level="warning")


def send(count: int, seconds: float) -> None:
    wait_for_server()
    requests = min(REQUESTS, count)
    url = f"http://127.0.0.1:{PORT}/probes?count={count // requests}&seconds={seconds}"
    with ThreadPoolExecutor(requests) as pool:
        list(pool.map(post, [url] * requests))


def wait_for_server() -> None:
    while True:
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", PORT)).close()
            return
        time.sleep(0.05)


def post(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method="POST")).close()


if __name__ == "__main__":
    main(work, send)
