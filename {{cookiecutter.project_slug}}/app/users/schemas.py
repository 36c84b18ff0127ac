import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, StringConstraints

from app.jobs import JobRead

# One person has one account, however the address is spelt.
Email = Annotated[EmailStr, AfterValidator(str.lower)]


def _printable(text: str) -> str:
    # Names go into mails, logs and terminals, where what cannot be seen can deceive.
    if not text.isprintable():
        raise ValueError("must not contain control or invisible characters")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]


class UserCreate(BaseModel):
    email: Email
    full_name: Name


class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    full_name: str
    created_at: datetime


class UserRegistered(UserRead):
    jobs: Sequence[JobRead]
