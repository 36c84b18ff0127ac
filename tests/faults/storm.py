"""Clients that continue during a fault, and a supervisor that restarts processes."""

import itertools
import threading
import time
from collections import Counter
from typing import Any

from process import until
from service import NO_ANSWER, Service

CLIENTS = 4


class Storm:
    """Each client registers a user, waits for the response, and registers the next user."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.answers: list[tuple[int, Any, float]] = []
        self.restarts = 0
        self._over = threading.Event()
        self._numbers = itertools.count()
        loops = [self._register] * CLIENTS + [self._supervise]
        self._loops = [threading.Thread(target=loop) for loop in loops]

    def _register(self) -> None:
        while not self._over.wait(0.2):
            number = next(self._numbers)
            url = self.service.urls[number % len(self.service.urls)]
            started = time.perf_counter()
            try:
                status, answer = self.service.register(f"storm{number}", url)
            except NO_ANSWER as error:
                status, answer = 0, repr(error)
            self.answers.append((status, answer, time.perf_counter() - started))

    def _supervise(self) -> None:
        while not self._over.wait(1):
            for process in {*self.service.workers, *self.service.webs}:
                if not process.is_running:
                    self.restarts += 1
                    process.start()

    def __enter__(self) -> "Storm":
        for loop in self._loops:
            loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for loop in self._loops:
            loop.join()

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for status, _, _ in self.answers)

    @property
    def promised(self) -> list[str]:
        accepted = (answer for status, answer, _ in self.answers if status == 201)
        return [job["id"] for answer in accepted for job in answer["jobs"]]

    def wait_until_over(self, seconds: float) -> float:
        """Waits until every job has succeeded, and checks those of the responses."""
        took = until("all jobs to succeed", seconds, self.service.all_succeeded)
        for job in self.promised:
            status, found = self.service.call("GET", f"/jobs/{job}")
            assert (status, found["status"]) == (200, "succeeded"), found
        return took

    def responses(self) -> str:
        """The responses that the clients got."""
        seconds = sorted(seconds for *_, seconds in self.answers)
        counts = ", ".join(f"{count} of {status}" for status, count in self.statuses.items())
        median = seconds[len(seconds) // 2]
        return f"responses: {counts}, in {median:.3f} s, the slowest in {seconds[-1]:.3f} s"

    def restarted(self) -> str:
        if self.restarts:
            return f"processes ended and were restarted {self.restarts} times"
        return "no process ended"
