"""What becomes of jobs, for clients and for operators."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from app.deps import OpsOnly, Session, Uow
from app.errors import Conflict, NotFound
from app.jobs import Job, JobRead, Status, ledger
from app.jobs.models import NOT_SUCCEEDED
from app.jobs.schemas import JobFilter
from app.paging import Page, fetch_page
from app.tasks import tasks

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("", dependencies=[OpsOnly])
async def list_jobs(session: Session, wanted: Annotated[JobFilter, Query()]) -> Page[JobRead]:
    query = select(Job).order_by(Job.created_at.desc(), Job.id)
    if wanted.status:
        query = query.where(Job.status == wanted.status)
    if wanted.status not in (None, Status.SUCCEEDED):
        query = query.where(NOT_SUCCEEDED)
    if wanted.task:
        query = query.where(Job.task == wanted.task)
    return await fetch_page(session, query, wanted)


@router.get("/{job_id}", response_model=JobRead)
async def read_job(session: Session, job_id: uuid.UUID) -> Job:
    job = await session.get(Job, job_id)
    if job is None:
        raise NotFound("There is no such job.")
    return job


@router.post("/{job_id}/retry", status_code=202, response_model=JobRead, dependencies=[OpsOnly])
async def retry_job(uow: Uow, job_id: uuid.UUID) -> Job:
    job = await uow.session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise NotFound("There is no such job.")
    if job.status is not Status.FAILED:
        raise Conflict(f"Only a failed job can be retried: this one is {job.status}.")
    ledger.queue_again(job, tries=tasks[job.task].max_tries if job.task in tasks else 1)
    return job
