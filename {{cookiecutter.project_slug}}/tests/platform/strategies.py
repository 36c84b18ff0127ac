"""Types of arguments and their values, drawn by Hypothesis. Its import takes long."""

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import GenericAlias
from typing import Any

from hypothesis import strategies as st

from tests.platform.types_of_arguments import Box, Color, Drawn, Pair, Point, Strict

Case = tuple[Any, st.SearchStrategy[Any]]
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
HASHABLE: list[Case] = [
    (bool, st.booleans()),
    (int, st.integers()),
    (str, st.text()),
    (bytes, st.binary()),
    (uuid.UUID, st.uuids()),
    (date, st.dates()),
    (datetime, st.datetimes()),
    (datetime, st.datetimes(timezones=st.just(UTC))),
    (timedelta, st.timedeltas()),
    (Decimal, DECIMALS),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (Color, st.sampled_from(Color)),
]
MODELS: list[Case] = [
    (Drawn, st.builds(Drawn)),
    (Strict, st.builds(Strict, pair=st.tuples(st.integers(), DECIMALS))),
    (Point, st.builds(Point, st.integers(), st.datetimes(), st.binary())),
    (Pair, st.builds(Pair)),
]


def containers(case: Case) -> st.SearchStrategy[Case]:
    kind, values = case
    box: Any = Box.__class_getitem__(kind)
    found: list[Case] = [
        (GenericAlias(list, kind), st.lists(values, max_size=3)),
        (kind | None, st.none() | values),
        (GenericAlias(tuple, (kind, int)), st.tuples(values, st.integers())),
        (GenericAlias(dict, (str, kind)), st.dictionaries(st.text(), values, max_size=3)),
        (box, values.map(lambda value: box(item=value))),
    ]
    if case in HASHABLE:
        found.append((GenericAlias(set, kind), st.sets(values, max_size=3)))
    return st.sampled_from(found)


CASES = st.recursive(
    st.sampled_from(HASHABLE + MODELS), lambda cases: cases.flatmap(containers), max_leaves=4
)
