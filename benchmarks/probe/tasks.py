from dataclasses import replace
from datetime import timedelta

from app.jobs import task
from app.probe import work
from app.tasks import tasks

# Nothing begins by itself here.
tasks["prune_jobs"] = replace(tasks["prune_jobs"], rule=None)


@task(max_tries=20, timeout=timedelta(minutes=5))
async def asynchronous(sent_at: float, seconds: float) -> None:
    await work.asynchronous(sent_at, seconds)


@task(max_tries=20, timeout=timedelta(minutes=5))
def synchronous(sent_at: float, seconds: float) -> None:
    work.synchronous(sent_at, seconds)
