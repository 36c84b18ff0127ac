"""Jobs on the command line, for operators: `python -m app.jobs --help`."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import select

from app.database import DatabaseUnavailable, open_database
from app.errors import AppError
from app.jobs import JobDetails, Status, UnitOfWork, control, unit_of_work
from app.jobs.models import Schedule
from app.jobs.task import shown_arguments
from app.settings import get_settings
from app.tasks import registry

TIME = "%Y-%m-%d %H:%M:%S"

app = typer.Typer(
    help="See and change the background jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def command(function: Callable[..., Awaitable[None]]) -> None:
    """Its options are the parameters after the unit of work."""

    async def act(options: dict[str, Any]) -> None:
        async with (
            open_database(get_settings().database_url) as database,
            unit_of_work(database) as uow,
        ):
            await function(uow, **options)

    @wraps(function)
    def run(**options: Any) -> None:  # noqa: ANN401 - typer reads the types of the function
        try:
            asyncio.run(act(options))
        except (AppError, DatabaseUnavailable) as error:
            raise SystemExit(str(error)) from None

    signature = inspect.signature(function)
    _, *parameters = signature.parameters.values()
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # read by inspect
    app.command()(run)


def report(job_id: UUID, is_done: bool, what: str) -> None:
    if not is_done:
        raise SystemExit(f"{job_id} cannot be {what}: `show` tells its status")
    typer.echo(f"{what}: {job_id}")


@command
async def list(  # noqa: A001 - the name of the command
    uow: UnitOfWork, status: Status | None = None, task: str | None = None, limit: int = 50
) -> None:
    """List jobs, the newest first: id, status, tries, next or last start, task, error."""
    for job in await uow.session.scalars(control.newest_first(status, task).limit(limit)):
        tries = f"{job.attempts}/{job.max_tries}"
        about = f"{job.id}  {job.status:<9}  {tries:>5}  {job.run_at:{TIME}}  {job.task}"
        typer.echo(f"{about}  {job.error or ''}".rstrip())


@command
async def show(uow: UnitOfWork, job_id: UUID) -> None:
    """Show a job as JSON, with its arguments that identify it and the tries that have failed."""
    job = await control.find(uow.session, job_id)
    details = JobDetails.model_validate(job).model_dump(mode="json", exclude={"result", "url"})
    details |= {"request_id": job.request_id, "arguments": shown_arguments(job)}
    typer.echo(json.dumps(details, indent=2))


@command
async def retry(uow: UnitOfWork, job_id: UUID) -> None:
    """Queue a failed or cancelled job again."""
    report(job_id, await uow.retry(job_id), "retried")


@command
async def retry_failed(uow: UnitOfWork, task: str) -> None:
    """Queue the failed jobs of a task again, the oldest first, and at most 1,000."""
    typer.echo(f"retried: {await control.retry_failed(uow.session, task)} jobs")


@command
async def cancel(uow: UnitOfWork, job_id: UUID) -> None:
    """Cancel a queued job, or ask a running one to stop."""
    report(job_id, await uow.cancel(job_id), "cancelled")


@command
async def run_now(uow: UnitOfWork, job_id: UUID) -> None:
    """Start a job that waits for its time or its next try."""
    report(job_id, await uow.run_now(job_id), "made due")


@command
async def run(
    uow: UnitOfWork, task: str, arguments: Annotated[str, typer.Argument(help="JSON object")] = "{}"
) -> None:
    """Enqueue a task."""
    if task not in registry:
        raise SystemExit(f"there is no task {task}: use {', '.join(registry)}")
    try:
        job = uow.enqueue(registry[task], **json.loads(arguments))
    except (TypeError, ValueError) as error:
        raise SystemExit(f"wrong arguments: {error}") from None
    typer.echo(f"queued: {job.id}")


@command
async def schedules(uow: UnitOfWork) -> None:
    """List the schedules: next run, rule, task."""
    for schedule in await uow.session.scalars(select(Schedule).order_by(Schedule.next_at)):
        typer.echo(f"{schedule.next_at:{TIME}}  {schedule.rule:<15}  {schedule.task}")


if __name__ == "__main__":
    app()
