"""What a task is, and how a call to one becomes a job."""

import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from pydantic import BaseModel, ConfigDict, create_model

from app.db import utc_now
from app.jobs.models import Job, Status
from app.log import job_id, request_id
from app.tracing import traceparent

Arguments = ParamSpec("Arguments")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)

tasks: dict[str, "Task[..., ..., Any]"] = {}


class Supplied:
    """What a task may ask for as its first parameter; whoever enqueues it does not pass it."""


SuppliedType = TypeVar("SuppliedType", bound=Supplied)


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
            id=uuid.uuid4(),
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


@dataclass(frozen=True)
class Declaration:
    max_tries: int
    timeout: timedelta

    @overload
    def __call__(
        self, function: Callable[Concatenate[SuppliedType, Arguments], Result], /
    ) -> Task[Arguments, Concatenate[SuppliedType, Arguments], Result]: ...

    @overload
    def __call__(
        self, function: Callable[Arguments, Result], /
    ) -> Task[Arguments, Arguments, Result]: ...

    def __call__(self, function: Callable[..., Any], /) -> Task[..., ..., Any]:
        name = function.__name__
        if name in tasks:
            raise TypeError(f"there are two tasks of the name {name}")
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        is_async = inspect.iscoroutinefunction(function)
        is_supplied = bool(parameters) and _is_supplied(parameters[0])
        if is_supplied and not is_async:
            raise TypeError(f"{name} asks for a unit of work, so it must be async")
        signature = signature.replace(parameters=parameters[is_supplied:])
        task: Task[..., ..., Any] = Task(
            name=name,
            function=function,
            arguments=_model_of(name, signature),
            signature=signature,
            is_async=is_async,
            is_supplied=is_supplied,
            max_tries=self.max_tries,
            timeout=self.timeout,
        )
        tasks[name] = task
        return task


def task(*, max_tries: int = 5, timeout: timedelta = timedelta(seconds=30)) -> Declaration:
    """Declare a task. It may run more than once, so what it does elsewhere must bear that."""
    return Declaration(max_tries, timeout)


def current_job_id() -> str:
    """The same for every try of a job: what a receiver needs to tell a repetition."""
    return job_id.get() or str(uuid.uuid4())


def _is_supplied(parameter: inspect.Parameter) -> bool:
    return inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, Supplied)


def _model_of(name: str, signature: inspect.Signature) -> type[BaseModel]:
    fields: dict[str, Any] = {
        parameter.name: (
            parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in signature.parameters.values()
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
