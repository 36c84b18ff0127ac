"""Tasks that the next release removes, or gives other arguments."""

import os

from app.jobs import task

if os.environ.get("PROBE_RELEASE") == "next":

    @task()
    async def reshaped(number: int, reason: str) -> None: ...

else:

    @task()
    async def reshaped(number: int) -> None: ...

    @task()
    async def removed(number: int) -> None: ...
