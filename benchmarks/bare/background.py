"""Bare BackgroundTasks: the web process runs them, and forgets them when it ends."""

import json
import os
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import uvicorn
from bare.command import main
from fastapi import BackgroundTasks, FastAPI
from probe.work import KINDS

LANES = 10

app = FastAPI()


@app.post("/probes")
async def accept(task: str, count: int, seconds: float, background: BackgroundTasks) -> None:
    for _ in range(count):
        background.add_task(KINDS[task], time.time(), seconds)


def work() -> None:
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")


def send(task: str, count: int, seconds: float) -> None:
    """In as many requests at a time as the service is sent."""
    lanes = min(LANES, count)
    wait_until_served()
    query = f"task={task}&count={count // lanes}&seconds={seconds}"
    url = f"http://127.0.0.1:{os.environ['PORT']}/probes?{query}"
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(post, [url] * lanes))


def wait_until_served() -> None:
    while True:
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))).close()
            return
        time.sleep(0.05)


def post(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
        json.load(answer)


if __name__ == "__main__":
    main(work, send)
