"""Hides the arguments of a job in what is logged and recorded of its errors."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property

WORD = re.compile(r"\w+")
TAIL = 20


class Hidden:
    """The texts among the arguments. Most jobs succeed, so they are collected only if needed."""

    def __init__(self, arguments: Mapping[str, object]) -> None:
        self._arguments = arguments

    @cached_property
    def texts(self) -> set[str]:
        return {text for argument in self._arguments.values() for text in _texts(argument)}

    @cached_property
    def shapes(self) -> dict[str, list[tuple[int, int, set[str]]]]:
        """By first word: length of the text, offset of the word, and tails; the longest first."""
        found = defaultdict[str, dict[tuple[int, int], set[str]]](lambda: defaultdict(set))
        for text in self.texts:
            if word := WORD.search(text):
                found[word[0]][len(text), word.start()].add(text[-TAIL:])
        return {
            word: sorted((*shape, tails) for shape, tails in shapes.items())[::-1]
            for word, shapes in found.items()
        }


NOTHING = Hidden({})
hidden: ContextVar[Hidden] = ContextVar("hidden", default=NOTHING)


@contextmanager
def redacting(arguments: Mapping[str, object]) -> Iterator[None]:
    """Until the block ends, `redacted` hides the texts among these values."""
    token = hidden.set(Hidden(arguments))
    try:
        yield
    finally:
        hidden.reset(token)


def redacted(text: str) -> str:
    """One pass over the text, however many or long the values are: the event loop waits for it."""
    values, parts, end = hidden.get(), [], 0
    for word in WORD.finditer(text) if values.shapes else ():
        for length, offset, tails in values.shapes.get(word[0], ()):
            start = word.start() - offset
            stop = start + length
            if start < end or text[max(start, stop - TAIL) : stop] not in tails:
                continue  # without copying a text that may be long
            # Whole words only: a value of one letter must not break others.
            is_whole = not WORD.match(text[start - 1 : start]) and not WORD.match(text, stop)
            if is_whole and text[start:stop] in values.texts:
                parts += [text[end:start], "***"]
                end = stop
                break
    return "".join(parts) + text[end:]


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            yield from (text for part in value for text in _texts(part))
        case dict():
            yield from (text for pair in value.items() for part in pair for text in _texts(part))
