"""A scheduled task, for tests that request one."""

import os
from datetime import timedelta

from app.jobs import current_job_id, task
from app.probe.tasks import note

if seconds := os.environ.get("PROBE_TICK_SECONDS"):

    @task(every=timedelta(seconds=int(seconds)))
    async def tick() -> None:
        note("ticked", 0, current_job_id())
