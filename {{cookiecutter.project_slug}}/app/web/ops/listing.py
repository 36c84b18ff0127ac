"""Lists of jobs, the newest first, without counting them."""

import uuid
from typing import Annotated, Any
from urllib.parse import urlencode

import sqlalchemy as sa
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.errors import NotFound
from app.jobs import Job, Status
from app.jobs.models import NOT_SUCCEEDED, Predecessor

PAGE = 50
# Jobs that a page looks at, in order to find those of a second condition.
WINDOW = 2000
MAX_RELATIVES = 50
NEWEST_FIRST = (Job.created_at.desc(), Job.id.desc())
# It may be large, and is not shown.
WITHOUT_RESULT = defer(Job.result, raiseload=True)

# A form sends an empty text for any.
OrEmpty = BeforeValidator(lambda value: value or None)
Name = Annotated[Annotated[str, Field(pattern=r"^[\w-]+$")] | None, OrEmpty]


class Filter(BaseModel):
    status: Annotated[Status | None, OrEmpty] = None
    task: Name = None
    queue: Name = None
    before: uuid.UUID | None = None

    def query(self, before: uuid.UUID | None = None) -> str:
        """Of the link to the same list, from the beginning or from a job on."""
        given = self.model_copy(update={"before": before}).model_dump(mode="json")
        return urlencode({name: value for name, value in given.items() if value})


async def list_jobs(session: AsyncSession, wanted: Filter) -> tuple[list[Job], uuid.UUID | None]:
    """The jobs of a page, and before which job the next page begins."""
    indexed: list[sa.ColumnElement[bool]] = []
    named = {name: value for name, value in wanted if value and name != "before"}
    # An index finds the jobs of a status that few have, or else those of a task.
    if wanted.status and wanted.status is not Status.SUCCEEDED:
        indexed += [Job.status == named.pop("status"), NOT_SUCCEEDED]
    elif wanted.task:
        indexed.append(Job.task == named.pop("task"))
    if wanted.before:
        at = await session.scalar(sa.select(Job.created_at).where(Job.id == wanted.before))
        if at is None:
            raise NotFound("The job at which this page begins has been deleted.")
        is_older = (Job.created_at < at) | (Job.id < wanted.before)
        indexed += [Job.created_at <= at, is_older]
    window = sa.select(Job.id).where(*indexed).order_by(*NEWEST_FIRST)
    some = window.limit(WINDOW).add_columns(Job.status, Job.task, Job.queue).subquery()
    matches = sa.select(some.c.id).where(*(some.c[name] == named[name] for name in named))
    is_wanted = [Job.id.in_(matches)] if named else indexed
    query = sa.select(Job).where(*is_wanted).order_by(*NEWEST_FIRST).options(WITHOUT_RESULT)
    found = [*await session.scalars(query.limit(PAGE + 1))]
    if len(found) > PAGE:
        return found[:PAGE], found[PAGE - 1].id
    # There may be others beyond the window.
    return found, await session.scalar(window.offset(WINDOW - 1).limit(1))


async def relatives(session: AsyncSession, job: Job) -> tuple[list[sa.Row[Any]], list[sa.Row[Any]]]:
    """The jobs that it waits for, and those that wait for it."""
    linked = sa.select(Job.id, Job.task, Job.status, Predecessor.wanted).limit(MAX_RELATIVES)
    before = linked.join(Predecessor, Predecessor.predecessor_id == Job.id)
    after = linked.join(Predecessor, Predecessor.job_id == Job.id)
    found = await session.execute(before.where(Predecessor.job_id == job.id))
    followers = await session.execute(after.where(Predecessor.predecessor_id == job.id))
    return [*found], [*followers]
