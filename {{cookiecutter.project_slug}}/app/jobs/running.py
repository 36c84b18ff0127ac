"""What a running task may ask and say about its job."""

import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta

from app.telemetry.log import job_id


class GiveUp(Exception):
    """Raised by a task: the job fails for good, with this reason."""


class TryAgain(Exception):
    """Raised by a task: this try fails, and the next one starts after the delay."""

    def __init__(self, reason: str, delay: timedelta) -> None:
        super().__init__(reason)
        self.delay = delay


@dataclass
class Progress:
    percent: int | None = None
    note: str | None = None


progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


def report_progress(percent: int, note: str | None = None) -> None:
    """Show clients how far the job is. It is written when the lease is renewed, so it is cheap."""
    if current := progress.get():
        current.percent, current.note = max(0, min(percent, 100)), note


def current_job_id() -> str:
    """The id of the running job. It is the same in every try, so receivers can deduplicate."""
    return job_id.get() or str(uuid.uuid4())
