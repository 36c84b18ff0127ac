"""Every combination of answers: both tools write the same files, without traces of the template."""

import ast
import configparser
import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import plumbum
import pytest
import yaml
from copier import run_copy
from template import CHOICES, combinations, name_of, render
from trees import Tree, differing, read_tree

ALL = combinations(*CHOICES)
JINJA = re.compile(r"(?<!\$)\{\{|\{%|\{#")  # GitHub's own ${{ stays
# The pages of the project are Jinja templates of its own.
OUR_JINJA = re.compile(r"cookiecutter|\{% (end)?raw")

PARSERS = {
    ".ini": lambda text: configparser.RawConfigParser().read_string(text),
    ".json": json.loads,
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}


@pytest.mark.parametrize("answers", ALL, ids=name_of)
def test_both_tools_write_the_same_clean_project(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    rendered = render(sources, answers, tmp_path)
    copied = tmp_path / "copier"
    given = {"project_slug": name_of(answers), **answers}
    # copier would start git for each file, but there is no repository here.
    with plumbum.local.env(PATH=""):
        run_copy(str(sources), copied, data=given, defaults=True, quiet=True)

    tree = without_origin(read_tree(rendered))
    assert differing(tree, without_origin(read_tree(copied))) == set()
    assert [path for path in copied.rglob("*") if path.is_dir() and not any(path.iterdir())] == []
    problems = [problem for path, (_, data) in tree.items() for problem in flaws(path, data)]
    assert problems == [], "\n".join(problems)


def without_origin(tree: Tree) -> Tree:
    """The answers file also contains the source of the template, which is not an answer."""
    mode, answers = tree[".copier-answers.yml"]
    kept = b"".join(line for line in answers.splitlines(True) if not line.startswith(b"_src_path:"))
    return tree | {".copier-answers.yml": (mode, kept)}


@cache
def flaws(path: str, data: bytes) -> list[str]:
    if path.endswith(".png"):
        return []
    text = data.decode("utf-8")
    jinja = OUR_JINJA if path.startswith("app/web/ops/templates/") else JINJA
    blank_lines = 2 if path.endswith((".py", ".py.mako")) else 1
    found = {
        "a trace of Jinja": jinja.search(text),
        "a run of blank lines": "\n" * (blank_lines + 2) in text,
        "a blank line at the start": text.startswith("\n"),
        "no single newline at the end": text and (text[-1] != "\n" or text.endswith("\n\n")),
        "trailing whitespace": re.search(r"[ \t]$", text, re.MULTILINE),
        "a carriage return": "\r" in text,
    }
    problems = [f"{path} has {flaw}" for flaw, present in found.items() if present]
    try:
        PARSERS.get(Path(path).suffix, str)(text)
    except (SyntaxError, ValueError, configparser.Error, yaml.YAMLError) as error:
        problems.append(f"{path} does not parse: {error}")
    return problems


def test_ruff_accepts_every_project(sources: Path, tmp_path: Path) -> None:
    # The length of an answer must not change the format of a line.
    lengths = [{"project_slug": "a"}, {"project_slug": "a" * 50}]
    # No other question changes Python files.
    for answers in [*combinations("engine", "database"), *lengths]:
        render(sources, answers, tmp_path)
    for command in (["check"], ["format", "--check"]):
        ruff = subprocess.run(
            ["ruff", *command, "--no-cache", "--quiet", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert ruff.returncode == 0, (ruff.stdout + ruff.stderr)[-4000:]
