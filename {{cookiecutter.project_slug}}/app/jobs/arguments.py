"""The arguments of a task: stored as JSON, and passed to the function as they were given."""

import inspect
import json
from contextlib import suppress
from dataclasses import is_dataclass
from datetime import datetime
from functools import partial
from types import GenericAlias
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from app.errors import Unprocessable

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
# What the schemas of a type contain if its values never arrive as they were given.
REFUSED_TYPES = {
    "_serialize_secret": "a secret",
    "'type': 'generator'": "an iterator",
    "'format': 'binary'": "bytes in a model whose ser_json_bytes and val_json_bytes are not base64",
}


class Argument:
    """Its fields are stored by name: an alias may differ for input and output."""

    def __init__(self, task: str, parameter: inspect.Parameter) -> None:
        self._parameter = f"{task}: parameter {parameter.name}"
        if parameter.kind not in BY_NAME:
            raise TypeError(f"{self._parameter} must not be {parameter.kind.description}")
        if parameter.annotation is parameter.empty:
            raise TypeError(f"{self._parameter} must have an annotation")
        # In a list, because pydantic does not accept a config for a model.
        listed: Any = GenericAlias(list, (parameter.annotation,))
        config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        try:
            self._type = TypeAdapter[list[Any]](listed, config=config)
            schemas = f"{self._type.core_schema} {self._type.json_schema(mode='serialization')}"
        except PydanticUserError as error:
            reason = str(error).partition("\n")[0].partition(". ")[0]
            raise TypeError(f"{self._parameter} cannot be stored as JSON: {reason}") from None
        for mark, what in REFUSED_TYPES.items():
            if mark in schemas:
                raise TypeError(f"{self._parameter} cannot be stored: it is or contains {what}")
        self._dump = partial(self._type.dump_python, mode="json", round_trip=True, warnings="error")
        self._has_drawn_defaults = "'default_factory'" in schemas

    def dump(self, value: object) -> object:
        """Raises Unprocessable if the value is invalid, or would not arrive as it was given."""
        try:
            given = self._type.validate_python([value])
        except ValidationError as error:
            raise Unprocessable(f"{self._parameter} is invalid: {misfits(error)}") from error
        # A field that is not set stays so, unless its default is drawn, or tells models apart.
        for exclude_unset in (True, False)[self._has_drawn_defaults :]:
            with suppress(ValueError):  # whose text may contain the value
                [dumped] = self._dump(given, exclude_unset=exclude_unset)
                if _is_same([self.load(dumped)], given):
                    return dumped
        raise Unprocessable(f"{self._parameter} would not arrive from JSON as it was given")

    def load(self, dumped: object) -> object:
        """Raises a ValueError if it does not fit the code any more."""
        text = json.dumps([dumped], allow_nan=False)
        try:
            # Not from Python objects: only from JSON, a strict model accepts a date as text.
            [value] = self._type.validate_json(text, by_alias=False, by_name=True)
        except ValidationError as error:
            raise ValueError(f"{self._parameter} is invalid: {misfits(error)}") from None
        return value


def misfits(error: ValidationError) -> str:
    """One line, without the values."""
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(": ".join([*map(str, each["loc"][1:]), each["msg"]]) for each in found)


def _is_same(one: object, other: object) -> bool:
    """Whether they are equal. While a clock is set back, == is never true across time zones."""
    if one == other:
        return True
    if type(one) is not type(other):
        return False
    match one, other:
        case datetime(), datetime():
            return one.isoformat() == other.isoformat()
        case (list() | tuple(), list() | tuple()):
            return len(one) == len(other) and all(map(_is_same, one, other))
        case dict(), dict():
            return _is_same([*one.items()], [*other.items()])
        case BaseModel(), BaseModel():
            is_private_same = one.__pydantic_private__ == other.__pydantic_private__
            return is_private_same and _is_same(vars(one), vars(other))
    return is_dataclass(one) and _is_same(vars(one), vars(other))
