"""What a task is, and how a call of one becomes a job."""

import inspect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar

from app.database import new_id, utc_now
from app.jobs.arguments import Argument
from app.jobs.models import Job, Status
from app.jobs.schedule import Rule
from app.telemetry.log import job_id, request_id
from app.telemetry.tracing import traceparent

Arguments = ParamSpec("Arguments")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)

# Every task by its name. An entry point fills it: it imports app.tasks.
registry: dict[str, "Task[..., ..., Any]"] = {}


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Arguments, Parameters, Result]):
    """A function. A call runs it at once; `UnitOfWork.enqueue` runs it after the response."""

    name: str
    function: Callable[Parameters, Result]
    signature: inspect.Signature
    arguments: Mapping[str, Argument]
    is_async: bool
    takes_uow: bool
    max_tries: int
    timeout: timedelta
    rule: Rule | None
    delay: timedelta = timedelta(0)
    after: Job | None = None

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self.function(*args, **kwargs)

    def options(
        self, *, delay: timedelta = timedelta(0), after: Job | None = None
    ) -> "Task[Arguments, Parameters, Result]":
        """This task, to start after the delay and after the other job has succeeded."""
        return replace(self, delay=delay, after=after)

    def job(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Job:
        given = self.signature.bind(*args, **kwargs).arguments
        created_at = utc_now()
        return Job(
            id=new_id(),
            task=self.name,
            arguments={name: self.arguments[name].dump(value) for name, value in given.items()},
            status=Status.QUEUED,
            attempts=0,
            max_tries=self.max_tries,
            run_at=created_at + self.delay,
            after_id=self.after.id if self.after else None,
            request_id=request_id.get(),
            traceparent=traceparent(),
            created_at=created_at,
        )

    def unpack(self, job: Job) -> dict[str, Any]:
        """The arguments of the call. Raises a TypeError or a ValueError if they do not fit."""
        self.signature.bind(**job.arguments)
        return {name: self.arguments[name].load(value) for name, value in job.arguments.items()}


def current_job_id() -> str:
    """The id of the running job. It is the same in every try, so receivers can deduplicate."""
    return job_id.get() or str(uuid.uuid4())
