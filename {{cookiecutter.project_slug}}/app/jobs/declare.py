"""@task: how a function becomes a task."""

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import takewhile
from typing import Any, Concatenate, Protocol, get_type_hints, overload

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.arguments import Argument
from app.jobs.backoff import Backoff, exponential
from app.jobs.schedule import rule_of
from app.jobs.task import DEFAULT_QUEUE, Arguments, Result, Task, registry
from app.jobs.uow import UnitOfWork

QUEUE_NAME = re.compile(r"[a-z0-9_-]{1,50}")
INJECTED = (UnitOfWork, AsyncSession)


class Declare(Protocol):
    """A task is enqueued without the unit of work and the session that it takes."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[UnitOfWork, AsyncSession, Arguments], Result], /
    ) -> Task[Arguments, Concatenate[UnitOfWork, AsyncSession, Arguments], Result]: ...

    @overload
    def __call__(
        self, function: Callable[Concatenate[UnitOfWork, Arguments], Result], /
    ) -> Task[Arguments, Concatenate[UnitOfWork, Arguments], Result]: ...

    @overload
    def __call__(
        self, function: Callable[Concatenate[AsyncSession, Arguments], Result], /
    ) -> Task[Arguments, Concatenate[AsyncSession, Arguments], Result]: ...

    @overload
    def __call__(
        self, function: Callable[Arguments, Result], /
    ) -> Task[Arguments, Arguments, Result]: ...


def task(
    *,
    queue: str = DEFAULT_QUEUE,
    max_tries: int = 5,
    timeout: timedelta = timedelta(seconds=30),
    backoff: Backoff = exponential,
    every: timedelta | None = None,
    cron: str | None = None,
) -> Declare:
    """Declare a task. It must be idempotent: it may run more than once.

    `every` or `cron` (in UTC) also enqueue it on a schedule.
    """
    rule = rule_of(every, cron)

    def declare(function: Callable[..., Any], /) -> Any:  # noqa: ANN401 - it is typed by Declare
        name = function.__name__
        if name in registry:
            raise TypeError(f"there are two tasks named {name}")
        parameters, result = _types_of(function)
        is_async = inspect.iscoroutinefunction(function)
        annotations = [parameter.annotation for parameter in parameters]
        takes = [*takewhile(lambda annotation: annotation in INJECTED, annotations)]
        if takes and not is_async:
            raise TypeError(f"{name} takes a {takes[0].__name__}, so it must be async")
        if not QUEUE_NAME.fullmatch(queue):
            raise TypeError(f"{name} has a wrong queue, {queue!r}: use a-z, 0-9, - and _")
        parameters = parameters[len(takes) :]
        if rule and parameters:
            raise TypeError(f"{name} has a schedule, so it must not have arguments")
        registry[name] = Task(
            name=name,
            function=function,
            signature=inspect.Signature(parameters),
            arguments={each.name: Argument(name, each) for each in parameters},
            result=TypeAdapter(result),
            is_async=is_async,
            takes=takes,
            queue=queue,
            max_tries=max_tries,
            timeout=timeout,
            backoff=backoff,
            rule=rule,
        )
        return registry[name]

    return declare


def _types_of(function: Callable[..., Any]) -> tuple[list[inspect.Parameter], Any]:
    """Its parameters, with their annotations evaluated, and the type of its result."""
    try:
        annotations = get_type_hints(function, include_extras=True)
        found = inspect.signature(function).parameters
    except NameError as error:
        reason = f"{error} at run time, and its annotations are needed"
        raise TypeError(f"{function.__name__}: {reason}") from None
    parameters = [
        parameter.replace(annotation=annotations.get(name, parameter.empty))
        for name, parameter in found.items()
    ]
    return parameters, annotations.get("return", Any)
