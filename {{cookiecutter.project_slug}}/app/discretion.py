"""What is said of a failed job: everything but the values that it was given."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

unsaid: ContextVar[frozenset[str]] = ContextVar("unsaid", default=frozenset())


@contextmanager
def hiding(arguments: Mapping[str, object]) -> Iterator[None]:
    """Until the block ends, these values are left out of what is told of errors."""
    values = frozenset(text for argument in arguments.values() for text in _texts(argument))
    token = unsaid.set(values - {""})
    try:
        yield
    finally:
        unsaid.reset(token)


def discreet(text: str) -> str:
    if not (values := unsaid.get()):
        return text
    longest_first = sorted(values, key=len, reverse=True)
    any_of_them = "|".join(re.escape(value) for value in longest_first)
    # Whole words only: a value of one letter must not tear others.
    return re.sub(rf"(?<!\w)(?:{any_of_them})(?!\w)", "***", text)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            yield from (text for part in value for text in _texts(part))
        case dict():
            yield from (text for pair in value.items() for part in pair for text in _texts(part))
