"""Routes over jobs: for the clients that caused them, and for operators."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.database import Page, Paging, fetch_page
from app.errors import Conflict, NotFound
from app.jobs import Job, JobDetails, JobRead, Status, UnitOfWork
from app.jobs.control import retry_failed
from app.jobs.models import NOT_SUCCEEDED
from app.jobs.schemas import JobForOperators
from app.jobs.task import shown_arguments
from app.web.deps import Session, Uow
from app.web.tokens import OpsOnly

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[uuid.UUID, Path(description="The id of a job")]


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
    query = select(Job).order_by(Job.created_at.desc(), Job.id)
    if wanted.status:
        query = query.where(Job.status == wanted.status)
    if wanted.status not in (None, Status.SUCCEEDED):
        query = query.where(NOT_SUCCEEDED)
    if wanted.task:
        query = query.where(Job.task == wanted.task)
    page = await fetch_page(session, query, wanted)
    page.items = [_for_operators(job) for job in page.items]
    return page


def _for_operators(job: Job) -> JobForOperators:
    read = JobRead.model_validate(job).model_dump()
    return JobForOperators(**read, arguments=shown_arguments(job))


@router.get("/{job_id}")
async def read_job(session: Session, job_id: JobId) -> JobDetails:
    """Read the status of a job. No token is required, because the id cannot be guessed."""
    job = await session.get(Job, job_id, options=[selectinload(Job.predecessors)])
    if job is None:
        raise NotFound("There is no such job.")
    return JobDetails.model_validate(job)


@router.post("/tasks/{task}/retry", status_code=202, dependencies=[OpsOnly])
async def retry_failed_jobs(uow: Uow, task: TaskName) -> Retried:
    """Queue the failed jobs of a task again, the oldest first, and at most 1,000 at a time."""
    return Retried(retried=await retry_failed(uow.session, task))


@router.post("/{job_id}/retry", status_code=202, response_model=JobRead, dependencies=[OpsOnly])
async def retry_job(uow: Uow, job_id: JobId) -> Job:
    """Queue a failed or cancelled job again, with all its tries. Responds 409 to another job."""
    return await _changed(uow, job_id, is_done=await uow.retry(job_id))


@router.post("/{job_id}/cancel", status_code=202, response_model=JobRead, dependencies=[OpsOnly])
async def cancel_job(uow: Uow, job_id: JobId) -> Job:
    """Cancel a queued job, or ask a running one to stop. Responds 409 to a job that has ended."""
    return await _changed(uow, job_id, is_done=await uow.cancel(job_id))


@router.post("/{job_id}/run-now", status_code=202, response_model=JobRead, dependencies=[OpsOnly])
async def run_job_now(uow: Uow, job_id: JobId) -> Job:
    """Start a job that waits for its time or its next try. Responds 409 if it is not queued."""
    return await _changed(uow, job_id, is_done=await uow.run_now(job_id))


async def _changed(uow: UnitOfWork, job_id: uuid.UUID, *, is_done: bool) -> Job:
    job = await uow.session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound("There is no such job.")
    if not is_done:
        raise Conflict(f"This is not possible, because the job is {job.status}.")
    return job
