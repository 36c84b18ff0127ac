"""Write what README.md and .env.example say of the settings, from the code: make settings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from app import main

# Imported, so that the engine's settings are known as well.
__all__ = ["main"]

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
EXAMPLE = PROJECT / ".env.example"

TABLE_HEAD = "| setting | by default | what it is |\n|---|---|---|\n"
EXAMPLE_HEAD = """\
# Copy this file to .env for development; elsewhere, set these as environment variables.
# What is commented out shows its default, or an example where there is none.
"""


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """The engine's first: at the end, a project adds its own."""
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


def readme() -> str:
    """As it is, but for the table."""
    pattern = re.escape(TABLE_HEAD) + r"(\|.*\n)*"
    return re.sub(pattern, lambda _: table(), README.read_text(encoding="utf-8"))


if __name__ == "__main__":
    README.write_text(readme(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
