"""What the next release changes: tasks, their arguments, and columns."""

import os

from sqlalchemy import Text
from sqlalchemy.orm import mapped_column

from app.jobs import Job, task
from app.probe.tasks import noted
from app.users.models import User

if os.environ.get("PROBE_COLUMNS"):
    for model in (Job, User):
        model.remark = mapped_column(Text, nullable=True, default="of the next release")

if os.environ.get("PROBE_RELEASE") == "next":

    @task()
    async def reshaped(number: int, reason: str) -> None: ...

    @task()
    async def grown(number: int, reason: str = "none") -> None:  # noqa: ARG001 - only passed
        with noted(number):
            pass

    @task()
    async def added(number: int) -> None:
        with noted(number):
            pass

else:

    @task()
    async def reshaped(number: int) -> None: ...

    @task()
    async def grown(number: int) -> None:
        with noted(number):
            pass

    @task()
    async def removed(number: int) -> None:
        with noted(number):
            pass
