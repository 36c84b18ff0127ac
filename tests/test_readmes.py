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
MAKE = re.compile(r"(?:^\$ |`)make ((?:[a-z-]+(?![\w=-]) ?)+)", re.MULTILINE)
PATH = re.compile(r"`((?:app|docs|migrations|ops|scripts|tests)/[\w./]*)`")
# The domain that docs/domains.md adds.
EXAMPLE = ("app/orders", "tests/orders")
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


def pages_of(project: Path) -> list[Path]:
    return [*project.glob("*.md"), *project.glob("docs/*.md")]


def links_of(page: Path) -> list[str]:
    """The links to other files of the project, and within the page."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in links if not link.startswith("https://")]


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def project_with(engine: str, sources: Path, folder: Path) -> Path:
    return render(sources, {"engine": engine, "database": "sqlite"}, folder)


def test_mermaid_parses_every_diagram(sources: Path, tmp_path: Path) -> None:
    projects = [project_with(engine, sources, tmp_path) for engine in CHOICES["engine"]]
    pages = [page for project in projects for page in pages_of(project)]
    run("npm", "install", "--prefix", tmp_path, *PACKAGES, cwd=tmp_path)
    # Node looks for packages beside the script.
    script = shutil.copy(MERMAID, tmp_path)
    # One of the engine, and one of the states of a job.
    assert run("node", script, *pages, cwd=tmp_path) == f"{2 * len(projects)} diagrams\n"


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_every_link_has_a_target(answers: dict[str, str], sources: Path, tmp_path: Path) -> None:
    project = render(sources, answers, tmp_path)
    links = [(page, link) for page in pages_of(project) for link in links_of(page)]
    assert {page.name for page, _ in links} >= {"README.md", "operations.md"}
    broken = []
    for page, link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.is_file() or (anchor and anchor not in anchors_of(target)):
            broken.append((page.name, link))
    assert broken == []


def test_the_readme_links_every_page(sources: Path, tmp_path: Path) -> None:
    project = project_with("background", sources, tmp_path)
    pages = {page.relative_to(project).as_posix() for page in pages_of(project)} - {"README.md"}
    assert pages - {*links_of(project / "README.md")} == set()


def test_every_named_command_and_path_exists(sources: Path, tmp_path: Path) -> None:
    project = project_with("arq", sources, tmp_path)
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)}
    for page in pages_of(project):
        text = page.read_text(encoding="utf-8")
        named = {target for found in MAKE.findall(text) for target in found.split()}
        assert named <= targets, page
        paths = {path for path in PATH.findall(text) if not path.startswith(EXAMPLE)}
        assert [path for path in paths if not (project / path).exists()] == [], page


def test_every_rule_shows_existing_code(sources: Path, tmp_path: Path) -> None:
    project = project_with("background", sources, tmp_path)
    code = "\n".join(path.read_text(encoding="utf-8") for path in project.rglob("*.py"))
    text = (project / "AGENTS.md").read_text(encoding="utf-8")
    rules = dict(RULE.findall(text))
    assert [*rules] == [str(number) for number in range(1, 11)]
    assert [example for example in rules.values() if example.strip() not in code] == []


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
