from datetime import timedelta

from app.jobs import task
from app.probe import work


@task(max_tries=20, timeout=timedelta(minutes=5))
async def wait(sent_at: float, seconds: float) -> None:
    await work.wait(sent_at, seconds)
