"""What a task is, and how a call to one becomes a job."""

import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar

from pydantic import BaseModel

from app.db import new_id, utc_now
from app.jobs.models import Job, Status
from app.jobs.schedule import Rule
from app.log import job_id, request_id
from app.tracing import traceparent

Arguments = ParamSpec("Arguments")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)

tasks: dict[str, "Task[..., ..., Any]"] = {}


class Supplied:
    """What a task may ask for as its first parameter; whoever enqueues it does not pass it."""


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Arguments, Parameters, Result]):
    """A function: called, it runs at once; enqueued, it runs after the response."""

    name: str
    function: Callable[Parameters, Result]
    arguments: type[BaseModel]
    signature: inspect.Signature
    is_async: bool
    is_supplied: bool
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
        """This task, but not before the delay is over and the other job has succeeded."""
        return replace(self, delay=delay, after=after)

    def job(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Job:
        given = self.signature.bind(*args, **kwargs).arguments
        created_at = utc_now()
        return Job(
            id=new_id(),
            task=self.name,
            arguments=self.arguments(**given).model_dump(mode="json", exclude_unset=True),
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
        """The arguments of a call, or a ValidationError if they do not fit the function."""
        return {
            name: value
            for name, value in self.arguments.model_validate(job.arguments)
            if name in job.arguments
        }


def current_job_id() -> str:
    """The same for every try of a job: what a receiver needs to tell a repetition."""
    return job_id.get() or str(uuid.uuid4())
