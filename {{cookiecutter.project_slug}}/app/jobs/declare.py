"""How a function becomes a task."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Concatenate, TypeVar, overload

from pydantic import BaseModel, ConfigDict, create_model

from app.jobs.schedule import Rule, rule_of
from app.jobs.task import Arguments, Result, Supplied, Task, tasks

SuppliedType = TypeVar("SuppliedType", bound=Supplied)


@dataclass(frozen=True)
class Declaration:
    max_tries: int
    timeout: timedelta
    rule: Rule | None

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
        if self.rule and signature.parameters:
            raise TypeError(f"{name} has a schedule, so it can have no arguments")
        task: Task[..., ..., Any] = Task(
            name=name,
            function=function,
            arguments=_model_of(name, signature),
            signature=signature,
            is_async=is_async,
            is_supplied=is_supplied,
            max_tries=self.max_tries,
            timeout=self.timeout,
            rule=self.rule,
        )
        tasks[name] = task
        return task


def task(
    *,
    max_tries: int = 5,
    timeout: timedelta = timedelta(seconds=30),
    every: timedelta | None = None,
    cron: str | None = None,
) -> Declaration:
    """Declare a task. It may run more than once, so what it does elsewhere must bear that.

    With a period, or a cron expression in UTC, it is enqueued by itself too.
    """
    return Declaration(max_tries, timeout, rule_of(every, cron))


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
