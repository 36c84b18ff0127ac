"""The scripts of the Makefile do what `make help` says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from checks import UV, environment
from template import CHOICES, ROOT, combinations, name_of, render


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# test_waiting_jobs.py starts the other engines with the same command.
@pytest.mark.parametrize("engine", CHOICES["engine"][:2])
def test_the_demo_shows_both_jobs_of_a_new_user_succeed(engine: str, tmp_path: Path) -> None:
    demo = run("demo.py", engine, "sqlite", tmp_path)
    assert demo.returncode == 0, demo.stdout
    done = re.findall(r"^    (\w+) +succeeded", demo.stdout, re.MULTILINE)
    assert done == ["write_audit_log", "send_welcome_email"]


def test_render_all_can_be_run_again(tmp_path: Path) -> None:
    expected = {name_of(answers) for answers in combinations(*CHOICES)}
    for _ in range(2):
        rendered = run("render_all.py", tmp_path)
        assert rendered.returncode == 0, rendered.stdout
        assert {path.name for path in tmp_path.iterdir()} == expected
    assert f"{len(expected)} projects in {tmp_path}" in rendered.stdout


def test_render_all_removes_only_what_it_has_written(tmp_path: Path) -> None:
    mine = tmp_path / name_of(combinations(*CHOICES)[0]) / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    rendered = run("render_all.py", tmp_path)
    assert rendered.returncode != 0
    assert "was not written by this script" in rendered.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_the_questions_and_the_tree_in_the_readme_are_current() -> None:
    shown = run("show.py", "--check")
    assert shown.returncode == 0, shown.stdout


def requirements(project: Path) -> set[str]:
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    return set(tomllib.loads(text)["project"]["dependencies"])


def locked_version(project: Path, package: str) -> str:
    subprocess.run([UV, "lock", "--quiet", "--upgrade"], cwd=project, env=environment(), check=True)
    packages = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]
    [version] = [found["version"] for found in packages if found["name"] == package]
    return str(version)


@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_lift_bounds_changes_the_engine_alone(engine: str, sources: Path, tmp_path: Path) -> None:
    project = render(sources, {"engine": engine}, tmp_path)
    before = requirements(project)
    run("lift_bounds.py", project).check_returncode()
    after = requirements(project)
    fragment = ROOT / "templates" / "engines" / engine / "dependencies.txt"
    own = set(re.findall(r'"([\w-]+)', fragment.read_text(encoding="utf-8")))
    assert {re.split(r"[\[>]", text)[0] for text in before - after} == own
    assert {text.partition(",<")[0] for text in before} == {
        text.partition(",<")[0] for text in after
    }
    assert not any("<" in text for text in after - before)


def test_what_lift_bounds_has_lifted_is_installed(sources: Path, tmp_path: Path) -> None:
    project = render(sources, {"engine": "arq", "database": "sqlite"}, tmp_path)
    file = project / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r'"arq>=[\d.]+,<[\d.]+"', '"arq>=0.26.3,<0.27"', text))
    assert locked_version(project, "arq") == "0.26.3"
    run("lift_bounds.py", project).check_returncode()
    assert locked_version(project, "arq") > "0.27"
