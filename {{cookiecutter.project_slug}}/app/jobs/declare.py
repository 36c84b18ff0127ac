"""@task: how a function becomes a task."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Concatenate, Protocol, get_type_hints, overload

from app.jobs.arguments import Argument
from app.jobs.schedule import rule_of
from app.jobs.task import Arguments, Result, Task, registry
from app.jobs.uow import UnitOfWork


class Declare(Protocol):
    """A task is enqueued without the unit of work that it takes."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[UnitOfWork, Arguments], Result], /
    ) -> Task[Arguments, Concatenate[UnitOfWork, Arguments], Result]: ...

    @overload
    def __call__(
        self, function: Callable[Arguments, Result], /
    ) -> Task[Arguments, Arguments, Result]: ...


def task(
    *,
    max_tries: int = 5,
    timeout: timedelta = timedelta(seconds=30),
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
        parameters = _parameters_of(function)
        is_async = inspect.iscoroutinefunction(function)
        takes_uow = bool(parameters) and parameters[0].annotation is UnitOfWork
        if takes_uow and not is_async:
            raise TypeError(f"{name} takes a unit of work, so it must be async")
        parameters = parameters[takes_uow:]
        if rule and parameters:
            raise TypeError(f"{name} has a schedule, so it must not have arguments")
        registry[name] = Task(
            name=name,
            function=function,
            signature=inspect.Signature(parameters),
            arguments={each.name: Argument(name, each) for each in parameters},
            is_async=is_async,
            takes_uow=takes_uow,
            max_tries=max_tries,
            timeout=timeout,
            rule=rule,
        )
        return registry[name]

    return declare


def _parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        annotations = get_type_hints(function, include_extras=True)
        found = inspect.signature(function).parameters
    except NameError as error:
        reason = f"{error} at run time, and its annotations are needed"
        raise TypeError(f"{function.__name__}: {reason}") from None
    return [
        parameter.replace(annotation=annotations.get(name, parameter.empty))
        for name, parameter in found.items()
    ]
