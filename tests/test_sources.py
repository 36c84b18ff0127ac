"""The ways to make a project from a published or a private template."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from template import CHOICES, ROOT, render
from trees import differing, read_tree
from upstream import HTTPS_URL, PROJECT, SSH_URL, URL, Upstream, publish, run

ANSWERS = {"project_slug": "orders", "author_name": "Team", "engine": "arq", "license": "none"}
# The content of these depends on the tool that made the project.
OF_THE_TOOL = {".copier-answers.yml", ".cruft.json"}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    """Two releases; the second one has an additional file."""
    upstream = publish(tmp_path_factory.mktemp("upstream"))
    upstream.release("v0.1.0")
    (upstream.path / PROJECT / "NEWS.md").write_text("# News\n")
    upstream.write_changelog("v0.2.0 (not released)", "v0.1.0 (2026-01-31)")
    upstream.commit()
    upstream.release("v0.2.0")
    return upstream


def cookiecutter(source: str, _: Path) -> list[str]:
    return ["cookiecutter", source, "--no-input", *(f"{name}={ANSWERS[name]}" for name in ANSWERS)]


def cookiecutter_with_team_defaults(source: str, folder: Path) -> list[str]:
    team = {name: answer for name, answer in ANSWERS.items() if name != "project_slug"}
    (folder / "team.yml").write_text(yaml.safe_dump({"default_context": team}))
    config = ["--config-file", "team.yml"]
    return ["cookiecutter", source, *config, "--no-input", "project_slug=orders"]


def copier(source: str, folder: Path) -> list[str]:
    (folder / "answers.yml").write_text(yaml.safe_dump(ANSWERS))
    return [
        "copier",
        "copy",
        "--quiet",
        "--data-file",
        "answers.yml",
        "--defaults",
        source,
        "orders",
    ]


def cruft(source: str, _: Path) -> list[str]:
    answers = ["--extra-context", json.dumps(ANSWERS)]
    return ["cruft", "create", source, "--no-input", *answers]


@pytest.mark.parametrize(
    ("command", "source"),
    [
        (cookiecutter, URL),
        (cookiecutter, HTTPS_URL),
        (cookiecutter, SSH_URL),
        (cookiecutter_with_team_defaults, URL),
        (copier, URL),
        (copier, SSH_URL),
        (cruft, HTTPS_URL),
        (cruft, SSH_URL),
    ],
)
def test_every_source_gives_the_newest_release(
    command: Any, source: str, upstream: Upstream, tmp_path: Path
) -> None:
    run(*command(source, tmp_path), cwd=tmp_path, env=upstream.env)
    expected = render(upstream.path, ANSWERS, tmp_path / "expected")
    project = tmp_path / "orders"
    assert differing(read_tree(project), read_tree(expected)) <= OF_THE_TOOL
    assert version_of(project) == "v0.2.0"


@pytest.mark.parametrize(
    ("command", "option"),
    [(cookiecutter, "--checkout"), (copier, "--vcs-ref"), (cruft, "--checkout")],
)
def test_an_older_release_can_be_selected(
    command: Any, option: str, upstream: Upstream, tmp_path: Path
) -> None:
    run(*command(SSH_URL, tmp_path), option, "v0.1.0", cwd=tmp_path, env=upstream.env)
    project = tmp_path / "orders"
    assert not (project / "NEWS.md").exists()
    assert version_of(project) == "v0.1.0"


def version_of(project: Path) -> str:
    answers = (project / ".copier-answers.yml").read_text(encoding="utf-8")
    return str(yaml.safe_load(answers)["_commit"])


@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_the_backstage_steps_of_the_readme_work(
    engine: str, upstream: Upstream, tmp_path: Path
) -> None:
    """Does what Backstage's action fetch:cookiecutter does."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```yaml\n(- action: fetch:cookiecutter\n.*?)^```", readme, re.M | re.S)
    entered = block.replace("${{ parameters.name }}", "orders")
    entered = entered.replace("${{ parameters.engine }}", engine)
    fetch, publish_step = (step["input"] for step in yaml.safe_load(entered))

    contents = tmp_path / "template" / "{{cookiecutter and 'contents'}}"
    shutil.copytree(upstream.path, contents, ignore=shutil.ignore_patterns(".git"))
    spec = json.loads((contents / "cookiecutter.json").read_text(encoding="utf-8"))
    spec |= fetch["values"] | {"_copy_without_render": fetch["copyWithoutRender"]}
    (tmp_path / "template" / "cookiecutter.json").write_text(json.dumps(spec))
    command = ["cookiecutter", "--no-input", "-o", "intermediate", "template", "--verbose"]
    run(*command, cwd=tmp_path, env=upstream.env)
    [result] = (tmp_path / "intermediate").iterdir()

    project = result / publish_step["sourcePath"]
    answers = {"project_slug": "orders", "engine": engine}
    expected = render(upstream.path, answers, tmp_path / "expected")
    assert differing(read_tree(project), read_tree(expected)) == set()
