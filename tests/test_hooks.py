"""The hooks, run by `cookiecutter` on the command line."""

import subprocess
from pathlib import Path

import pytest
from template import CHOICES, render
from trees import read_tree


def cookiecutter(
    template: Path, folder: Path, home: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = ["cookiecutter", str(template), "--no-input", "project_slug=orders", *arguments]
    return subprocess.run(command, cwd=folder, env=home, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_the_project_does_not_depend_on_the_hooks(
    ci: str, sources: Path, tmp_path: Path, home: dict[str, str]
) -> None:
    with_hooks, without = tmp_path / "with", tmp_path / "without"
    with_hooks.mkdir()
    cookiecutter(sources, with_hooks, home, f"ci={ci}")
    render(sources, {"project_slug": "orders", "ci": ci}, without)
    assert read_tree(with_hooks / "orders") == read_tree(without / "orders")


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_no_empty_folder_remains(
    ci: str, sources: Path, tmp_path: Path, home: dict[str, str]
) -> None:
    cookiecutter(sources, tmp_path, home, f"ci={ci}")
    folders = [path for path in (tmp_path / "orders").rglob("*") if path.is_dir()]
    assert [folder for folder in folders if not any(folder.iterdir())] == []


def test_the_next_commands_are_printed(sources: Path, tmp_path: Path, home: dict[str, str]) -> None:
    printed = cookiecutter(sources, tmp_path, home).stdout
    lines = [line.partition("#")[0].strip() for line in printed.splitlines() if line[:2] == "  "]
    enter, commit, *targets = lines
    assert enter == "cd orders"
    assert commit.split(" && ")[:2] == ["git init -b main", "git add ."]
    assert targets == ["make dev", "make test"]


def test_overwriting_a_project_keeps_its_own_folders(
    sources: Path, tmp_path: Path, home: dict[str, str]
) -> None:
    own = tmp_path / "orders" / ".git" / "refs" / "tags"
    own.mkdir(parents=True)
    cookiecutter(sources, tmp_path, home, "--overwrite-if-exists", "ci=none")
    assert own.is_dir()
