"""The documentation of a project is correct: diagrams render, rules are followed, commands work."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from checks import UV, environment
from template import CHOICES, combinations, name_of, render

MERMAID = Path(__file__).parent / "mermaid.mjs"
PACKAGES = ("mermaid@11", "happy-dom@20", "--no-save", "--silent")
RULE = re.compile(r"^\*\*(\d+)\. .*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COLUMNS = """\
    phone: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime | None]
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def project_with(engine: str, sources: Path, folder: Path) -> Path:
    return render(sources, {"engine": engine, "database": "sqlite"}, folder)


def test_mermaid_parses_every_diagram(sources: Path, tmp_path: Path) -> None:
    readmes = [
        project_with(engine, sources, tmp_path) / "README.md" for engine in CHOICES["engine"]
    ]
    run("npm", "install", "--prefix", tmp_path, *PACKAGES, cwd=tmp_path)
    # Node looks for packages beside the script.
    script = shutil.copy(MERMAID, tmp_path)
    assert run("node", script, *readmes, cwd=tmp_path) == f"{2 * len(readmes)} diagrams\n"


def test_every_rule_shows_existing_code(sources: Path, tmp_path: Path) -> None:
    project = project_with("background", sources, tmp_path)
    code = "\n".join(path.read_text(encoding="utf-8") for path in project.rglob("*.py"))
    text = (project / "AGENTS.md").read_text(encoding="utf-8")
    rules = dict(RULE.findall(text))
    assert [*rules] == [str(number) for number in range(1, 11)]
    assert [example for example in rules.values() if example.strip() not in code] == []
    named = re.findall(r"`(app/[\w./]+)`", text)
    assert named
    assert [path for path in named if not (project / path).exists()] == []


@pytest.mark.parametrize("answers", combinations("engine"), ids=name_of)
def test_the_development_container_has_the_servers_of_the_tests(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    project = project_with(answers["engine"], sources, tmp_path)
    container = json.loads((project / ".devcontainer/devcontainer.json").read_text())
    assert container["name"] == project.name
    assert "redis-server" in container["onCreateCommand"]
    assert container["postCreateCommand"] == "uv sync"


def test_a_new_column_of_a_model_becomes_a_migration(sources: Path, tmp_path: Path) -> None:
    project = project_with("background", sources, tmp_path)
    models = project / "app/users/models.py"
    text = models.read_text(encoding="utf-8")
    anchor = "    full_name: Mapped[str] = mapped_column(Text)\n"
    models.write_text(text.replace(anchor, anchor + COLUMNS), encoding="utf-8")
    run("make", "revision", 'm=give users a "phone"', cwd=project)

    [migration] = (project / "migrations/versions").glob("2*.py")
    written = migration.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(written)) == 'give users a "phone"'
    assert re.findall(r'add_column\(sa.Column\("(\w+)"', written) == ["phone", "seen_at"]
    for command in (["make", "migrate"], ["make", "lint"], [UV, "run", "alembic", "check"]):
        run(*command, cwd=project)


@pytest.mark.parametrize("target", ["help", "dev", "worker", "test", "lint", "fmt", "audit"])
def test_the_makefile_has_the_targets_of_its_help(
    target: str, sources: Path, tmp_path: Path
) -> None:
    project = project_with("arq", sources, tmp_path)
    assert f"make {target} " in run("make", cwd=project)
    run("make", "--dry-run", target, cwd=project)
