"""Routes over jobs: for the clients that caused them, and for operators."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from sqlalchemy import select

from app.database import Page, Paging, fetch_page
from app.errors import Conflict, NotFound
from app.jobs import Job, JobRead, Status
from app.jobs.models import NOT_SUCCEEDED
from app.jobs.runtime import ledger
from app.web.deps import Session, Uow
from app.web.tokens import OpsOnly

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[uuid.UUID, Path(description="The id of a job")]


class JobFilter(Paging):
    status: Status | None = Field(default=None, description="Only jobs with this status")
    task: str | None = Field(default=None, pattern=r"^\w+$", description="Only jobs of this task")


@router.get("", dependencies=[OpsOnly])
async def list_jobs(session: Session, wanted: Annotated[JobFilter, Query()]) -> Page[JobRead]:
    """List the jobs of all clients, the newest first."""
    query = select(Job).order_by(Job.created_at.desc(), Job.id)
    if wanted.status:
        query = query.where(Job.status == wanted.status)
    if wanted.status not in (None, Status.SUCCEEDED):
        query = query.where(NOT_SUCCEEDED)
    if wanted.task:
        query = query.where(Job.task == wanted.task)
    return await fetch_page(session, query, wanted)


@router.get("/{job_id}", response_model=JobRead)
async def read_job(session: Session, job_id: JobId) -> Job:
    """Read the status of a job. No token is required, because the id cannot be guessed."""
    job = await session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    return job


@router.post("/{job_id}/retry", status_code=202, response_model=JobRead, dependencies=[OpsOnly])
async def retry_job(uow: Uow, job_id: JobId) -> Job:
    """Queue a failed job again, with all its tries. Responds 409 if the job has not failed."""
    job = await uow.session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise NotFound("There is no such job.")
    if job.status is not Status.FAILED:
        raise Conflict(f"Only a failed job can be retried. This one is {job.status}.")
    ledger.queue_again(job)
    return job
