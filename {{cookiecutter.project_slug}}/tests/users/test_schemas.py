"""Schemas: what a client may send."""

import pytest
from pydantic import ValidationError

from app.users.schemas import UserCreate

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}
LEFT_TO_RIGHT, RIGHT_TO_LEFT, ZERO_WIDTH = "\u200e", "\u202e", "\u200b"


def test_the_address_is_stored_in_lower_case_and_the_name_without_spaces_around_it() -> None:
    user = UserCreate.model_validate({"email": "Ada@Example.COM", "full_name": "  Ada  "})
    assert (user.email, user.full_name) == ("ada@example.com", "Ada")


@pytest.mark.parametrize(
    "email",
    [
        None,
        ["ada@example.com"],
        "ada",
        "ada@localhost",
        "ada@[127.0.0.1]",
        '"ada lovelace"@example.com',
        "ada@example.com, eve@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada\0@example.com",
        "ada\x1b@example.com",
        f"ada{LEFT_TO_RIGHT}@example.com",
        f"{RIGHT_TO_LEFT}ada@example.com",
        f"ada@exam{ZERO_WIDTH}ple.com",
        f"{'a' * 288}@example.com",
        f"a@{'example.' * 36}com",
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_bad_email_address_is_refused(email: object) -> None:
    assert wrong_fields({**ADA, "email": email}) == ["email"]


@pytest.mark.parametrize(
    "full_name",
    [
        10**4000,
        "",
        "  ",
        "A" * 201,
        "Ada\r\nBcc: eve@example.com",
        "Ada\0",
        "Ada\x1b[31m",
        f"Ada {RIGHT_TO_LEFT}ecalevoL",
        f"Ada{ZERO_WIDTH}",
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else "a number",
)
def test_a_bad_name_is_refused(full_name: object) -> None:
    assert wrong_fields({**ADA, "full_name": full_name}) == ["full_name"]


def wrong_fields(data: dict[str, object]) -> list[object]:
    with pytest.raises(ValidationError) as refused:
        UserCreate.model_validate(data)
    return [error["loc"][0] for error in refused.value.errors()]
