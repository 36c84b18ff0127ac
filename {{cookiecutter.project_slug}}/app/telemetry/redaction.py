"""Hides the arguments of a job in what is logged and recorded of its errors."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

hidden: ContextVar[frozenset[str]] = ContextVar("hidden", default=frozenset())


@contextmanager
def redacting(arguments: Mapping[str, object]) -> Iterator[None]:
    """Until the block ends, `redacted` hides the texts among these values."""
    values = frozenset(text for argument in arguments.values() for text in _texts(argument))
    token = hidden.set(values - {""})
    try:
        yield
    finally:
        hidden.reset(token)


def redacted(text: str) -> str:
    if not (values := hidden.get()):
        return text
    longest_first = sorted(values, key=len, reverse=True)
    any_value = "|".join(re.escape(value) for value in longest_first)
    # Whole words only: a value of one letter must not break others.
    return re.sub(rf"(?<!\w)(?:{any_value})(?!\w)", "***", text)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            yield from (text for part in value for text in _texts(part))
        case dict():
            yield from (text for pair in value.items() for part in pair for text in _texts(part))
