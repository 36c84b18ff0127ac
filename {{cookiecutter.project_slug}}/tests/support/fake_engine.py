"""An engine that keeps what it is sent, and can be down."""

import uuid
from collections.abc import Sequence

from app.jobs import Job


class FakeEngine:
    def __init__(self) -> None:
        self.sent: list[uuid.UUID] = []
        self.refused: list[uuid.UUID] = []
        self.is_down = False
        self._lost = 0

    def lose(self, count: int) -> None:
        self._lost += count

    async def send(self, jobs: Sequence[Job]) -> None:
        ids = [job.id for job in jobs]
        if self.is_down:
            self.refused += ids
            raise ConnectionRefusedError("the broker is down")
        self.sent += ids

    async def waiting(self, queue: str) -> int:
        if self.is_down:
            raise ConnectionRefusedError("the broker is down")
        return len(self.sent) - self._lost
