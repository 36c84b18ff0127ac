"""Clients that register users continuously, whatever happens to the service."""

import itertools
import threading
import time
from contextlib import suppress

from service import NO_ANSWER, Service


class Clients:
    """They remember the jobs of their responses."""

    def __init__(self, service: Service, count: int) -> None:
        self.promised: list[str] = []
        self._service = service
        self._over = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._register) for _ in range(count)]

    def _register(self) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            url = self._service.urls[number % len(self._service.urls)]
            with suppress(*NO_ANSWER):
                _, answer = self._service.register(f"user{number}", url)
                self.promised += [job["id"] for job in answer["jobs"]]
            time.sleep(0.05)

    def have_been_promised(self, count: int) -> bool:
        return len(self.promised) >= count

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
