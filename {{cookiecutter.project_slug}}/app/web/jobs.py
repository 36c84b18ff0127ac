"""Routes over jobs: for the clients that caused them, and for operators."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from app.database import Page, Paging, fetch_page
from app.errors import Conflict
from app.jobs import Job, JobDetails, JobRead, Status
from app.jobs.control import CHANGES, Action, find, newest_first, retry_failed
from app.jobs.schemas import JobForOperators
from app.jobs.task import shown_arguments
from app.web.deps import OpsOnly, Session, Uow

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[uuid.UUID, Path(description="The id of a job")]
ActionName = Annotated[Action, Path(description="What to do with the job")]
TaskName = Annotated[str, Path(pattern=r"^\w+$", description="Name of the task")]


class Retried(BaseModel):
    retried: int = Field(description="Number of jobs. If it is 1,000, there may be more.")


class JobFilter(Paging):
    status: Status | None = Field(default=None, description="Only jobs with this status")
    task: str | None = Field(default=None, pattern=r"^\w+$", description="Only jobs of this task")


@router.get("", dependencies=[OpsOnly])
async def list_jobs(
    session: Session, wanted: Annotated[JobFilter, Query()]
) -> Page[JobForOperators]:
    """List the jobs of all clients, the newest first."""
    page = await fetch_page(session, newest_first(wanted.status, wanted.task), wanted)
    page.items = [_for_operators(job) for job in page.items]
    return page


def _for_operators(job: Job) -> JobForOperators:
    read = JobRead.model_validate(job).model_dump()
    return JobForOperators(**read, arguments=shown_arguments(job))


@router.get("/{job_id}", response_model=JobDetails)
async def read_job(session: Session, job_id: JobId) -> Job:
    """Read the status of a job. No token is required, because the id cannot be guessed."""
    return await find(session, job_id)


@router.post("/tasks/{task}/retry", status_code=202, dependencies=[OpsOnly])
async def retry_failed_jobs(uow: Uow, task: TaskName) -> Retried:
    """Queue the failed jobs of a task again, the oldest first, and at most 1,000 at a time."""
    return Retried(retried=await retry_failed(uow.session, task))


@router.post("/{job_id}/{action}", status_code=202, response_model=JobRead, dependencies=[OpsOnly])
async def change_job(uow: Uow, job_id: JobId, action: ActionName) -> Job:
    """Cancel an open job, retry a failed or cancelled one, or start a queued one now.

    A running job is asked to stop, and a retried one has all its tries again. Responds 409 if the
    status of the job does not allow the action.
    """
    is_done = await CHANGES[action](uow.session, job_id)
    job = await find(uow.session, job_id)
    if not is_done:
        raise Conflict(f"This is not possible, because the job is {job.status}.")
    return job
