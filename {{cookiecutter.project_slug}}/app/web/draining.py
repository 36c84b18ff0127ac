"""The end of a web process, without a request that is cut."""

import asyncio
import signal
from types import FrameType

from fastapi import FastAPI


def drain_on_sigterm(app: FastAPI, seconds: float) -> None:
    """Serve for a moment longer, but not as ready, and close each connection after a response.

    A server that stops at once cuts the requests that are on their way.
    """
    loop, stop = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    if not callable(stop):  # as the handler of a server is
        return

    def drain(number: int, frame: FrameType | None) -> None:
        app.state.is_draining = True
        loop.call_soon_threadsafe(lambda: loop.call_later(seconds, stop, number, frame))

    signal.signal(signal.SIGTERM, drain)
