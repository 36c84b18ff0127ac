import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from app.jobs import JobRead

# Upper and lower case make no difference: one person has one account.
Email = Annotated[EmailStr, AfterValidator(str.lower)]


def _printable(text: str) -> str:
    # Names appear in mails, logs and terminals, where invisible characters can deceive.
    if not text.isprintable():
        raise ValueError("must not contain control or invisible characters")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]


class UserCreate(BaseModel):
    email: Email = Field(examples=["ada@example.com"])
    full_name: Name = Field(examples=["Ada Lovelace"])


class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str = Field(examples=["ada@example.com"])
    full_name: str = Field(examples=["Ada Lovelace"])
    created_at: datetime


class UserRegistered(UserRead):
    jobs: Sequence[JobRead]
