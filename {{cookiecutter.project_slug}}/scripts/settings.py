"""Writes the settings into docs/operations.md and .env.example, from the code: `make settings`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from app import main

# Imported, so that the engine's settings are defined too.
__all__ = ["main"]

PROJECT = Path(__file__).parent.parent
OPERATIONS = PROJECT / "docs" / "operations.md"
EXAMPLE = PROJECT / ".env.example"

TABLE_HEAD = "| setting | default | description |\n|---|---|---|\n"
EXAMPLE_HEAD = """\
# For development, copy this file to .env. Elsewhere, set environment variables.
# Each line shows the default, or an example if there is none.
"""


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """The engine's settings come first: a project adds its own at the end."""
    for kind in reversed(BaseSettings.__subclasses__()):
        if kind.__module__.startswith("app."):
            for name, field in kind.model_fields.items():
                yield name.upper(), field


def default_of(field: FieldInfo) -> str:
    default: Any = None if field.default_factory else field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    return str(default or "")


def table() -> str:
    rows = (
        f"| `{name}` | {f'`{default}`' if (default := default_of(field)) else ''} "
        f"| {field.description} |\n"
        for name, field in fields()
    )
    return TABLE_HEAD + "".join(rows)


def example() -> str:
    entries = (
        f"\n# {field.description}\n# {name}={default_of(field) or (field.examples or [''])[0]}\n"
        for name, field in fields()
    )
    return EXAMPLE_HEAD + "".join(entries)


def operations() -> str:
    """The page, with a new table."""
    pattern = re.escape(TABLE_HEAD) + r"(\|.*\n)*"
    return re.sub(pattern, lambda _: table(), OPERATIONS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    OPERATIONS.write_text(operations(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
