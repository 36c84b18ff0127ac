"""A task with a queue of its own, for which each worker starts one more process."""

import os
import time
from datetime import timedelta
from pathlib import Path

from app.jobs import task
from app.probe.tasks import noted

if os.environ.get("PROBE_QUEUES"):

    @task(queue="slow", timeout=timedelta(minutes=10))
    def waits(number: int, signal: str) -> None:
        with noted(number):
            while not Path(signal).exists():
                time.sleep(0.05)
