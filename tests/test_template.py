"""The rules that keep the template one tree, and its prompts stable."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from template import CHOICES, ROOT, SPEC, combinations, name_of, render
from trees import differing, read_tree

PROJECT = ROOT / "{{cookiecutter.project_slug}}"
FRAGMENTS = ROOT / "templates"
COPIER = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))

FROZEN = {
    "project_name": None,
    "project_slug": None,
    "description": None,
    "author_name": None,
    "author_email": None,
    "engine": ["background", "arq", "celery", "rq", "dramatiq"],
    "database": ["sqlite", "postgresql"],
    "license": ["MIT", "Apache-2.0", "BSD-3-Clause", "none"],
    "ci": ["github", "gitlab", "none"],
}
WHY_FROZEN = (
    "Projects store these names and values, and update by them: add to the list, never rename or "
    "remove. A value that is gone makes copier take the first choice and delete files, and makes "
    "cruft crash."
)

MAY_DIFFER_BY_ENGINE = {
    ".copier-answers.yml",
    ".env.example",
    "Procfile",
    "Procfile.dev",
    "app/engine.py",
    "compose.yaml",
    "docs/engine.md",
    "docs/operations.md",
    "pyproject.toml",
    "tests/support/broker.py",
}
# What a newcomer reads in twenty minutes, and what a senior developer reads on a train.
MAX_LINES_OF_YOURS = 680
MAX_LINES_OF_APP = 4500
MAX_LINES_OF_THE_PAGE = 570
MAX_LINES_OF_THE_ENGINE = 280
MAX_LINES_OF_A_FILE = 250
YOURS = ("main.py", "tasks.py", "settings.py", "errors.py", "mail.py", "users/*.py")


def count_lines(files: Iterable[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def sources_of(folder: Path) -> list[Path]:
    made = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv"}
    return [path for path in folder.rglob("*") if path.is_file() and not made & {*path.parts}]


def test_names_and_values_of_answers_are_frozen() -> None:
    asked = {name: CHOICES.get(name) for name in SPEC if not name.startswith("_")}
    assert [name for name in FROZEN if name not in asked] == [], WHY_FROZEN
    for name, values in FROZEN.items():
        assert [value for value in values or [] if value not in asked[name]] == [], WHY_FROZEN


def test_every_choice_has_a_label_of_its_own_that_a_terminal_can_show() -> None:
    for name, values in CHOICES.items():
        labels = {key: text for key, text in SPEC["__prompts__"][name].items() if key in values}
        assert list(labels) == values
        assert len(set(labels.values())) == len(values)
        assert not any(bracket in text for text in labels.values() for bracket in "[]"), (
            "rich takes square brackets for markup"
        )


def test_copier_yml_is_in_sync() -> None:
    check = [sys.executable, "scripts/sync_copier.py", "--check"]
    synced = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert synced.returncode == 0, synced.stderr


def test_engines_agree_in_their_folder_both_prompt_files_and_the_readme() -> None:
    folders = {path.name for path in (FRAGMENTS / "engines").iterdir()}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Which engine?")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| *`([a-z]+)`", table, re.MULTILINE)
    assert folders == set(CHOICES["engine"])
    assert list(COPIER["engine"]["choices"].values()) == CHOICES["engine"]
    assert rows == CHOICES["engine"]


@pytest.mark.parametrize("kind", ["engines", "databases"])
def test_each_choice_brings_the_same_fragments(kind: str) -> None:
    files = {
        folder.name: sorted(path.relative_to(folder).as_posix() for path in sources_of(folder))
        for folder in (FRAGMENTS / kind).iterdir()
    }
    names = {name for fragments in files.values() for name in fragments}
    missing = {folder: names - {*fragments} for folder, fragments in files.items()}
    assert not any(missing.values()), missing


def test_no_file_of_the_template_branches_on_an_answer() -> None:
    branch = re.compile(r"\{%[-+]?\s*(if|elif)\b")
    # These are templates of the project itself.
    raw = re.compile(r"\{% raw -?%\}.*?\{% endraw %\}", re.DOTALL)
    ladders = [
        path.relative_to(ROOT).as_posix()
        for path in sources_of(PROJECT) + sources_of(FRAGMENTS)
        if path.suffix != ".png" and branch.search(raw.sub("", path.read_text(encoding="utf-8")))
    ]
    assert ladders == [], "what differs belongs in a fragment: see CONTRIBUTING.md"


def test_file_names_are_legal_on_windows() -> None:
    names = [path.name for path in [*PROJECT.rglob("*"), *FRAGMENTS.rglob("*"), PROJECT]]
    assert [name for name in names if re.search(r'[<>:"\\|?*]|[. ]$', name)] == []


def in_tests() -> str:
    """What the project allows its tests goes for the fragments that become part of them."""
    rules = tomllib.loads((PROJECT / "ruff.toml").read_text(encoding="utf-8"))
    allowed = json.dumps(rules["lint"]["per-file-ignores"]["tests/**"])
    return f'{{ "**/brokers/*.py" = {allowed}, "**/databases/*/*.py" = {allowed} }}'


def test_python_fragments_parse_and_pass_ruff_as_they_stand() -> None:
    fragments = [path for path in sources_of(FRAGMENTS) if path.suffix == ".py"]
    assert fragments
    for path in fragments:
        ast.parse(path.read_text(encoding="utf-8"), str(path))
    rules = ["--no-cache", "--config", str(PROJECT / "ruff.toml")]
    where = [f"src = [{json.dumps(str(PROJECT))}]", f"lint.extend-per-file-ignores = {in_tests()}"]
    options = [part for setting in where for part in ("--config", setting)]
    for command in (["check", *rules, *options], ["format", "--check", *rules]):
        ruff = subprocess.run(["ruff", *command, *fragments], capture_output=True, text=True)
        assert ruff.returncode == 0, ruff.stdout + ruff.stderr


@pytest.mark.parametrize("database", CHOICES["database"])
def test_engines_differ_in_the_named_files_only(
    database: str, sources: Path, tmp_path: Path
) -> None:
    trees = {}
    for engine in CHOICES["engine"]:
        answers = {"engine": engine, "database": database, "project_slug": "same"}
        trees[engine] = read_tree(render(sources, answers, tmp_path / engine))
    first = trees[CHOICES["engine"][0]]
    for engine, tree in trees.items():
        assert tree.keys() == first.keys(), engine
        assert differing(tree, first) <= MAY_DIFFER_BY_ENGINE, engine


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_the_app_stays_small(answers: dict[str, str], sources: Path, tmp_path: Path) -> None:
    app = render(sources, answers, tmp_path) / "app"
    files = [*app.rglob("*.py")]
    engine = app / "engine.py"
    others = [path for path in files if path != engine]
    assert {path.name for path in others if count_lines([path]) > MAX_LINES_OF_A_FILE} == set()
    assert count_lines([engine]) <= MAX_LINES_OF_THE_ENGINE
    assert (
        count_lines(path for pattern in YOURS for path in app.glob(pattern)) <= MAX_LINES_OF_YOURS
    )
    page = [*(app / "web" / "ops").rglob("*.py")]
    assert count_lines(page) <= MAX_LINES_OF_THE_PAGE
    assert count_lines(files) - count_lines([engine, *page]) <= MAX_LINES_OF_APP
