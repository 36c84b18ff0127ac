"""The arguments of a task: they arrive as they were given, or are refused at once."""

import json
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import AfterValidator, Field, Secret, SecretBytes, SecretStr

from app.errors import Unprocessable
from app.jobs import Job, Task, registry, task
from tests.platform.types_of_arguments import (
    Aliased,
    Animal,
    Arbitrary,
    Binary,
    Bird,
    Box,
    Cat,
    Changes,
    Color,
    Dog,
    Drawn,
    Excluded,
    Hidden,
    Holder,
    Options,
    Pair,
    Point,
    Private,
    Size,
    Strict,
    Tree,
    UserId,
)

pytestmark = pytest.mark.usefixtures("own_tasks")

BERLIN = ZoneInfo("Europe/Berlin")
MORE_DIGITS_THAN_PYTHON_WRITES = 10**5000

Cases = list[tuple[Any, object]]

ARRIVES: Cases = [
    (Drawn, Drawn()),
    (list[Drawn], [Drawn(), Drawn()]),
    (Aliased, Aliased.model_validate({"ONE": 1, "a": 2})),
    (
        Strict,
        Strict(day=date(2030, 1, 2), ids=frozenset({uuid.uuid4()}), pair=(1, Decimal("1.10"))),
    ),
    (Animal | Dog, Dog(name="Rex", breed="mutt")),
    (Animal | Dog, Animal(name="Rex")),
    (Annotated[Cat | Bird, Field(discriminator="kind")], Bird()),
    (Cat | Bird, Bird()),
    (Box[date], Box[date](item=date(2030, 1, 2))),
    (Box[bytes], Box[bytes](item=b"\xff")),
    (Tree, Tree(children=[Tree()])),
    (Point, Point(1, data=b"\xff")),
    (Options, {"size": 1, "data": b"\xff\0"}),
    (Pair, Pair(1)),
    (UserId, uuid.uuid4()),
    (Color, Color.BLUE),
    (dict[Color, set[Size]], {Color.RED: {Size.SMALL}}),
    (Decimal, Decimal("1.10")),
    (Decimal | float, 1.5),
    (datetime | date, date(2030, 1, 2)),
    (date | datetime, datetime(2030, 1, 2)),  # noqa: DTZ001 - naive ones arrive too
    (str | uuid.UUID, uuid.uuid4()),
    (str | None, None),
    (timedelta, timedelta(microseconds=-1)),
    (time, time(1, 2, 3, 4, UTC)),
    (datetime, datetime(2030, 7, 1, 12, tzinfo=BERLIN)),
    (bytes, b"\xff\0"),
    (str, "a\0b \u202e \N{OLD ITALIC LETTER A}"),
    (dict[str, Any], {"a": [1, 1.0, None, {"b": "c"}]}),
    (dict[int, tuple[str, ...]], {1: ("a", "b")}),
]
REFUSED: Cases = [
    (float, math.nan),
    (float, 1e400),
    (Box[float], Box(item=-math.inf)),
    (dict[str, Any], {"a": [math.nan]}),
    (str, "\ud800"),
    (dict[str, Any], {"a": "\ud800"}),
    (int, MORE_DIGITS_THAN_PYTHON_WRITES),
    (Any, Arbitrary()),
    (Any, uuid.uuid4()),
    (Any, {1: "a"}),
    (Animal, Dog(name="Rex", breed="mutt")),
    (Animal, Animal.model_construct(name=1)),  # type: ignore[arg-type] # which is what is tested
    (Sequence[int], (1, 2)),
    (Private, Private()),
    (Excluded, Excluded(name="Ada")),
    (Annotated[int, Field(gt=0)], 0),
    (str, 42),
]


def names(cases: Cases) -> list[str]:
    """Ids of tests. Values are drawn anew in each process."""
    return [str(annotation)[:60] for annotation, _ in cases]


def task_of(annotation: Any) -> Task[[Any], ..., None]:  # noqa: ANN401 - any type
    def carry(value: object) -> None: ...

    carry.__annotations__["value"] = annotation
    registry.clear()
    return task()(carry)


def arrival(carry: Task[[Any], ..., None], value: object) -> object:
    """The value as the task gets it, from JSON as PostgreSQL stores it."""
    job = carry.job(value)
    stored = json.dumps(job.arguments, allow_nan=False)
    return carry.unpack(Job(arguments=json.loads(stored)))["value"]


@pytest.mark.parametrize(("annotation", "value"), ARRIVES, ids=names(ARRIVES))
def test_an_argument_arrives_as_it_was_given(annotation: Any, value: object) -> None:  # noqa: ANN401 - any type
    found = arrival(task_of(annotation), value)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("fold", [0, 1])
def test_a_time_at_which_the_clock_is_set_back_arrives(fold: int) -> None:
    given = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=BERLIN)
    for annotation, value in (
        (datetime, given),
        (Box[datetime], Box(item=given)),
        (Point, Point(1, at=given)),
        (dict[str, tuple[datetime, ...]], {"at": (given,)}),
    ):
        assert given.isoformat() in repr(task_of(annotation).job(value).arguments)


def test_a_field_that_is_not_set_arrives_so() -> None:
    found = arrival(task_of(Changes), Changes(name="Ada"))
    assert isinstance(found, Changes)
    assert found.model_fields_set == {"name"}


def test_a_declared_conversion_happens_once() -> None:
    assert arrival(task_of(Annotated[str, AfterValidator(str.lower)]), "ADA") == "ada"
    with pytest.raises(Unprocessable):
        task_of(Annotated[str, AfterValidator(lambda text: f"{text}!")]).job("Ada")


@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=names(REFUSED))
def test_a_value_that_would_not_arrive_is_refused(annotation: Any, value: object) -> None:  # noqa: ANN401 - any type
    with pytest.raises(Unprocessable) as refused:
        task_of(annotation).job(value)
    assert refused.value.detail.startswith("carry: parameter value ")
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize(
    "annotation",
    [
        SecretStr,
        SecretBytes | None,
        Secret[int],
        Hidden,
        Binary,
        Arbitrary,
        list[Arbitrary],
        Holder,
        Iterable[int],
        Iterator[int],
        Callable[[], None],
        Exception,
    ],
    ids=str,
)
def test_a_type_whose_values_never_arrive_is_refused_when_declared(annotation: Any) -> None:  # noqa: ANN401 - any type
    with pytest.raises(TypeError, match=r"^carry: parameter value cannot be stored.*$"):
        task_of(annotation)


def positional(a: int, /) -> None: ...
def variadic(*a: int) -> None: ...
def named(**a: int) -> None: ...
def bare(a) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001 - which is what is tested


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (positional, "must not be positional-only"),
        (variadic, "must not be variadic positional"),
        (named, "must not be variadic keyword"),
        (bare, "must have an annotation"),
    ],
)
def test_a_parameter_that_cannot_be_stored_is_refused(
    function: Callable[..., None], reason: str
) -> None:
    with pytest.raises(TypeError, match=f"^{function.__name__}: parameter a {reason}$"):
        task()(function)


@pytest.mark.slow
def test_every_argument_arrives_as_it_was_given() -> None:
    # Not above: its import would prolong the quick tests.
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from tests.platform.strategies import CASES

    @settings(deadline=None, database=None, derandomize=True, max_examples=100)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        annotation, values = data.draw(CASES)
        value = data.draw(values)
        found = arrival(task_of(annotation), value)
        assert (found, type(found)) == (value, type(value))

    check()
