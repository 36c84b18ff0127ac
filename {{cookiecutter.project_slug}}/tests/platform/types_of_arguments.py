"""Types of arguments, for the tests."""

import enum
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Generic, Literal, NamedTuple, NewType, Required, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    computed_field,
)
from typing_extensions import TypedDict

Item = TypeVar("Item")
UserId = NewType("UserId", uuid.UUID)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1


class Drawn(BaseModel):
    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Aliased(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=str.upper)

    one: int
    two: int = Field(validation_alias=AliasChoices("a", "b"), serialization_alias="c")

    @computed_field  # type: ignore[prop-decorator] # mypy does not support decorated properties
    @property
    def total(self) -> int:
        return self.one + self.two


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    day: date
    ids: frozenset[uuid.UUID]
    pair: tuple[int, Decimal]


class Animal(BaseModel):
    name: str


class Dog(Animal):
    breed: str


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Bird(BaseModel):
    kind: Literal["bird"] = "bird"


class Box(BaseModel, Generic[Item]):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    item: Item


class Tree(BaseModel):
    children: "list[Tree]" = []


class Changes(BaseModel):
    name: str | None = None
    email: str | None = None


class Hidden(BaseModel):
    secret: list[SecretStr]


class Binary(BaseModel):
    data: bytes


class Private(BaseModel):
    _drawn: uuid.UUID = PrivateAttr(default_factory=uuid.uuid4)


class Excluded(BaseModel):
    name: str = Field(default="", exclude=True)


class Arbitrary: ...


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    arbitrary: Arbitrary


@dataclass
class Point:
    x: int
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    data: bytes = b""


class Options(TypedDict, total=False):
    size: Required[int]
    data: bytes


class Pair(NamedTuple):
    x: int
    y: str = ""
