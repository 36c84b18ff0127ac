"""Every tool refuses an invalid answer with one clear line, and writes nothing."""

import itertools
import json
import re
import runpy
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from template import ROOT, SPEC, combinations, name_of, render

RULES = runpy.run_path(str(ROOT / "hooks" / "pre_gen_project.py"))["RULES"]
TOOLS = ["cookiecutter", "copier", "cruft"]

REFUSED = {
    "slug that climbs": ("project_slug", "../x"),
    "slug that nests": ("project_slug", "a/b"),
    "slug that nests deeper": ("project_slug", "a/b/c"),
    "slug with space and capitals": ("project_slug", "My App"),
    "slug that begins with a hyphen": ("project_slug", "-x"),
    "slug with two hyphens": ("project_slug", "a--b"),
    "slug of 80 characters": ("project_slug", "a" * 80),
    "slug with letters that are not ASCII": ("project_slug", "größe"),
    "slug that is a Windows device": ("project_slug", "con"),
    "slug that is the name of an engine": ("project_slug", "celery"),
    "slug that is the name of a dependency": ("project_slug", "prometheus-client"),
    "description of two lines": ("description", "one\ntwo"),
    "description of 201 characters": ("description", "x" * 201),
    "author with a control character": ("author_name", "A\x1bda"),
    "email without a name": ("author_email", "@example.com"),
    "email with a quote": ("author_email", 'a"b@example.com'),
}
HARD_TEXT = 'He said "hi", \\n is C:\\new\\table, 🚀 naïve <b>&\'s</b> {x} %s ${HOME} #1'


def refusal_of(name: str, value: str) -> str | None:
    unmet = (message for pattern, message in RULES[name] if not re.search(pattern, value))
    return next(unmet, None)


def command(tool: str, template: Path, answers: dict[str, str]) -> list[str]:
    pairs = [f"{name}={value}" for name, value in answers.items()]
    return {
        "cookiecutter": ["cookiecutter", str(template), "--no-input", *pairs],
        "copier": [
            *["copier", "copy", "--quiet", "--defaults"],
            *[part for pair in pairs for part in ("--data", pair)],
            *[str(template), "orders"],
        ],
        "cruft": [
            *["cruft", "create", "--no-input", "--extra-context", json.dumps(answers)],
            str(template),
        ],
    }[tool]


def run(
    tool: str, template: Path, answers: dict[str, str], folder: Path, home: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tool, template, answers),
        cwd=folder,
        env=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A subfolder, to notice what is written beside it as well."""
    path = tmp_path / "here"
    path.mkdir()
    return path


def left_in(folder: Path) -> list[str]:
    return [path.relative_to(folder.parent).as_posix() for path in folder.parent.rglob("*")][1:]


@pytest.mark.parametrize(
    ("tool", "answer"),
    [
        *itertools.product(["cookiecutter", "copier"], REFUSED),
        # cruft runs the same hook as cookiecutter.
        ("cruft", "slug that climbs"),
        ("cruft", "description of two lines"),
    ],
)
def test_an_invalid_answer_is_refused_in_one_line_and_leaves_nothing(
    tool: str, answer: str, repository: Path, folder: Path, home: dict[str, str]
) -> None:
    name, value = REFUSED[answer]
    done = run(tool, repository, {name: value}, folder, home)
    refusal = refusal_of(name, value)
    assert refusal
    said = [line for line in done.stdout.splitlines() if refusal in line]
    assert done.returncode != 0
    assert len(said) == 1, done.stdout
    assert name in said[0]
    assert left_in(folder) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_an_empty_slug_is_refused(
    tool: str, repository: Path, folder: Path, home: dict[str, str]
) -> None:
    done = run(tool, repository, {"project_slug": ""}, folder, home)
    # cookiecutter and cruft refuse it themselves: an empty name means the current folder.
    refusal = refusal_of("project_slug", "")
    assert refusal
    said = refusal if tool == "copier" else "directory already exists"
    assert done.returncode != 0
    assert said in done.stdout
    assert left_in(folder) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_an_unknown_choice_is_refused(
    tool: str, repository: Path, folder: Path, home: dict[str, str]
) -> None:
    done = run(tool, repository, {"engine": "kafka"}, folder, home)
    assert done.returncode != 0
    assert "engine" in done.stdout
    assert left_in(folder) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_jinja_in_an_answer_never_reaches_the_project(
    tool: str, repository: Path, folder: Path, home: dict[str, str]
) -> None:
    answers = {"project_slug": "orders", "description": "{{ 7*7 }}"}
    refusal = refusal_of("description", answers["description"])
    assert refusal
    done = run(tool, repository, answers, folder, home)
    if tool == "copier":
        assert done.returncode != 0
        assert refusal in done.stdout
        assert left_in(folder) == []
    else:  # these render answers from the command line before they use them
        assert done.returncode == 0, done.stdout
        assert description_of(folder / "orders") == "49"


@pytest.mark.parametrize("tool", TOOLS)
def test_free_text_reads_back_exactly(
    tool: str, repository: Path, folder: Path, home: dict[str, str]
) -> None:
    answers = {
        "project_slug": "orders",
        "project_name": HARD_TEXT,
        "description": HARD_TEXT,
        "author_name": HARD_TEXT,
        "author_email": "o'hara+tag@sub.example.com",
    }
    done = run(tool, repository, answers, folder, home)
    assert done.returncode == 0, done.stdout
    project = folder / "orders"
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    author = {"name": HARD_TEXT, "email": answers["author_email"]}
    assert metadata["description"] == HARD_TEXT
    assert metadata["authors"] == [author]
    stored = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert {name: stored[name] for name in answers} == answers


def test_the_refusal_says_how_to_keep_the_other_answers(
    repository: Path, folder: Path, home: dict[str, str]
) -> None:
    given = {"project_name": HARD_TEXT, "project_slug": "orders", "engine": "arq"}
    refused = run("cookiecutter", repository, given | {"author_email": "ada"}, folder, home)
    [line] = re.findall(r"^  (\S*author_name=.*)", refused.stdout, re.MULTILINE)
    kept = dict(word.split("=", 1) for word in shlex.split(line))
    assert "author_email" not in kept

    done = run("cookiecutter", repository, kept | {"author_email": "a@b.co"}, folder, home)
    assert done.returncode == 0, done.stdout
    text = (folder / "orders" / ".copier-answers.yml").read_text(encoding="utf-8")
    assert {name: yaml.safe_load(text)[name] for name in given} == given


def test_cookiecutter_refuses_an_email_right_after_it_is_typed() -> None:
    asked = [name for name in SPEC if not name.startswith("_")]
    assert asked[-1] == "author_email"


def description_of(project: Path) -> str:
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    return metadata["project"]["description"]


def test_a_refused_slug_keeps_existing_files(
    repository: Path, folder: Path, home: dict[str, str]
) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "mine.txt").write_text("mine")
    done = run("cookiecutter", repository, {"project_slug": "a/b"}, folder, home)
    assert done.returncode != 0
    assert left_in(folder) == ["here/a", "here/a/mine.txt"]


@pytest.mark.parametrize(
    "slug", ["a", "7", "orders", "42-things", "a-1-b", "a" * 50, "celery-orders", "my-arq"]
)
def test_a_valid_slug_is_accepted(slug: str) -> None:
    assert refusal_of("project_slug", slug) is None


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_no_project_can_have_the_name_of_a_dependency(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    project = render(sources, answers, tmp_path)
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [metadata["project"]["dependencies"], *metadata["dependency-groups"].values()]
    needed = [text for group in groups for text in group if isinstance(text, str)]
    names = [re.split(r"[^a-z0-9-]", text)[0] for text in needed]
    assert "fastapi" in names
    assert [name for name in names if refusal_of("project_slug", name) is None] == []


@pytest.mark.parametrize("name", RULES)
def test_messages_are_short_enough_for_copier(name: str) -> None:
    assert [message for _, message in RULES[name] if len(message) >= 50] == []
