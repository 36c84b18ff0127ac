"""What a task is, and how a call of one becomes a job."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Generic, ParamSpec, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from app.database import new_id, utc_now
from app.jobs.arguments import Argument
from app.jobs.backoff import Backoff
from app.jobs.models import Job, Predecessor, Status
from app.jobs.schedule import Rule
from app.telemetry.log import request_id
from app.telemetry.tracing import traceparent

Arguments = ParamSpec("Arguments")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)

DEFAULT_QUEUE = "default"
MAX_RESULT_BYTES = 2**16

IDENTIFYING = (UUID, int, date, Enum)


class Harmless:
    """Shows a text argument to operators: `plan: Annotated[str, Harmless]`."""


# Every task by its name. An entry point fills it: it imports app.tasks.
registry: dict[str, "Task[..., ..., Any]"] = {}


def all_queues() -> list[str]:
    return sorted({DEFAULT_QUEUE, *(task.queue for task in registry.values())})


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Arguments, Parameters, Result]):
    """A function. A call runs it at once; `UnitOfWork.enqueue` runs it after the response."""

    name: str
    function: Callable[Parameters, Result]
    signature: inspect.Signature
    arguments: Mapping[str, Argument]
    result: TypeAdapter[Any]
    is_async: bool
    # The types of what it gets besides its arguments: a unit of work, a session to read.
    takes: Sequence[type]
    queue: str
    max_tries: int
    timeout: timedelta
    backoff: Backoff
    rule: Rule | None
    delay: timedelta = timedelta(0)
    at: datetime | None = None
    after: Sequence[Job] = ()
    after_failure: Sequence[Job] = ()

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self.function(*args, **kwargs)

    def options(
        self,
        *,
        delay: timedelta = timedelta(0),
        at: datetime | None = None,
        after: Job | Sequence[Job] = (),
        after_failure: Job | Sequence[Job] = (),
    ) -> "Task[Arguments, Parameters, Result]":
        """This task, to start later, after other jobs have succeeded, or after they have failed."""
        if at and at.tzinfo is None:
            raise ValueError(f"at={at} has no time zone")
        jobs, failing = ([it] if isinstance(it, Job) else it for it in (after, after_failure))
        return replace(self, delay=delay, at=at, after=jobs, after_failure=failing)

    @property
    def is_immediate(self) -> bool:
        return not (self.delay or self.at or self.after or self.after_failure)

    def job(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Job:
        given = self.signature.bind(*args, **kwargs).arguments
        created_at = utc_now()
        wanted = dict.fromkeys([job.id for job in self.after], Status.SUCCEEDED)
        wanted |= dict.fromkeys([job.id for job in self.after_failure], Status.FAILED)
        job = Job.of(
            id=new_id(),
            task=self.name,
            queue=self.queue,
            arguments={name: self.arguments[name].dump(value) for name, value in given.items()},
            status=Status.QUEUED,
            attempts=0,
            max_tries=self.max_tries,
            run_at=(self.at or created_at) + self.delay,
            is_follower=bool(wanted),
            cancel_requested=False,
            failures=[],
            request_id=request_id.get(),
            traceparent=traceparent(),
            created_at=created_at,
        )
        if wanted:
            job.predecessors = [Predecessor(predecessor_id=it, wanted=wanted[it]) for it in wanted]
        return job

    def unpack(self, job: Job) -> dict[str, Any]:
        """The arguments of the call. Raises a TypeError or a ValueError if they do not fit."""
        self.signature.bind(**job.arguments)
        return {name: self.arguments[name].load(value) for name, value in job.arguments.items()}

    def pack_result(self, value: object) -> object:
        """As JSON. Raises a ValueError if it is too large to be kept."""
        if value is None:
            return None
        dumped = self.result.dump_json(value)
        if len(dumped) > MAX_RESULT_BYTES:
            raise ValueError(f"the result has {len(dumped)} bytes, of at most {MAX_RESULT_BYTES}")
        return json.loads(dumped)

    def is_harmless(self, name: str) -> bool:
        annotation = self.signature.parameters[name].annotation
        return Harmless in getattr(annotation, "__metadata__", ())


def shown_arguments(job: Job) -> dict[str, object]:
    """Those that identify what the job is about, and texts that are marked as `Harmless`."""
    try:
        task = registry[job.task]
        given = task.unpack(job)
    except (KeyError, TypeError, ValueError):
        return {}
    return {
        name: job.arguments[name]
        for name, value in given.items()
        if isinstance(value, IDENTIFYING) or task.is_harmless(name)
    }
