"""Jobs on the command line, for operators: `python -m app.jobs --help`."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from sqlalchemy import select

from app.database import DatabaseUnavailable, open_database
from app.errors import AppError
from app.jobs import Job, Status, UnitOfWork, control, unit_of_work
from app.jobs.models import Schedule
from app.settings import get_settings
from app.tasks import registry

Found = TypeVar("Found")

app = typer.Typer(
    help="See and change the background jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def with_jobs(action: Callable[[UnitOfWork], Awaitable[Found]]) -> Found:
    async def act() -> Found:
        async with (
            open_database(get_settings().database_url) as database,
            unit_of_work(database) as uow,
        ):
            return await action(uow)

    try:
        return asyncio.run(act())
    except (AppError, DatabaseUnavailable) as error:
        raise SystemExit(str(error)) from None


def shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def show_line(job: Job) -> None:
    tries = f"{job.attempts}/{job.max_tries}"
    about = f"{job.id}  {job.status:<9}  {tries:>5}  {shown(job.run_at)}  {job.task}"
    typer.echo(f"{about}  {job.error or ''}".rstrip())


def report(job_id: uuid.UUID, done: bool, what: str) -> None:
    if not done:
        raise SystemExit(f"{job_id} cannot be {what}: see its status with `show`")
    typer.echo(f"{what}: {job_id}")


@app.command("list")
def list_jobs(status: Status | None = None, task: str | None = None, limit: int = 50) -> None:
    """List jobs, the newest first: id, status, tries, next or last start, task, error."""
    query = select(Job).order_by(Job.created_at.desc()).limit(limit)
    if status:
        query = query.where(Job.status == status)
    if task:
        query = query.where(Job.task == task)

    async def read(uow: UnitOfWork) -> list[Job]:
        return [*await uow.session.scalars(query)]

    for job in with_jobs(read):
        show_line(job)


@app.command()
def show(job_id: uuid.UUID) -> None:
    """Show a job, and the tries that have failed."""

    async def read(uow: UnitOfWork) -> Job | None:
        return await uow.session.get(Job, job_id)

    job = with_jobs(read)
    if job is None:
        raise SystemExit(f"there is no job {job_id}")
    show_line(job)
    task = registry.get(job.task)
    details: dict[str, Any] = {
        "queue": job.queue,
        "arguments": json.dumps(task.shown_arguments(job)) if task else None,
        "created": shown(job.created_at),
        "started": shown(job.started_at),
        "finished": shown(job.finished_at),
        "request": job.request_id,
        "progress": job.progress,
    }
    for name, value in details.items():
        if value is not None:
            typer.echo(f"{name:>9}  {value}")
    for failure in job.failures:
        typer.echo(f"    try {failure['attempt']}  {failure['started_at']}  {failure['error']}")


@app.command()
def retry(job_id: uuid.UUID) -> None:
    """Queue a failed or cancelled job again."""
    report(job_id, with_jobs(lambda uow: uow.retry(job_id)), "retried")


@app.command()
def retry_failed(task: str) -> None:
    """Queue all failed jobs of a task again."""
    total = 0
    while found := with_jobs(lambda uow: control.retry_failed(uow.session, task)):
        total += found
    typer.echo(f"retried: {total} jobs")


@app.command()
def cancel(job_id: uuid.UUID) -> None:
    """Cancel a queued job, or ask a running one to stop."""
    report(job_id, with_jobs(lambda uow: uow.cancel(job_id)), "cancelled")


@app.command()
def run_now(job_id: uuid.UUID) -> None:
    """Start a job that waits for its time or its next try."""
    report(job_id, with_jobs(lambda uow: uow.run_now(job_id)), "due now")


@app.command()
def run(task: str, arguments: Annotated[str, typer.Argument(help="A JSON object.")] = "{}") -> None:
    """Enqueue a task."""
    if task not in registry:
        raise SystemExit(f"there is no task {task}: use {', '.join(registry)}")
    try:
        given = json.loads(arguments)
        job = registry[task].job(**given)
    except (TypeError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise SystemExit(f"wrong arguments: {reason}") from None

    async def enqueue(uow: UnitOfWork) -> None:
        uow.session.add(job)

    with_jobs(enqueue)
    typer.echo(f"queued: {job.id}")


@app.command()
def schedules() -> None:
    """List the schedules: next run, rule, task."""

    async def read(uow: UnitOfWork) -> list[Schedule]:
        return [*await uow.session.scalars(select(Schedule).order_by(Schedule.next_at))]

    for schedule in with_jobs(read):
        typer.echo(f"{shown(schedule.next_at)}  {schedule.rule:<15}  {schedule.task}")


if __name__ == "__main__":
    app()
