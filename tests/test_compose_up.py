"""Builds the image of projects with a real Docker engine, and runs their compose.yaml as it is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers.docker import Docker, running_docker, until
from matrix import BY_TURNS
from template import name_of, render

IN_EVERY_RUN = ["background-sqlite", "rq-postgresql"]
# Each other engine, with the databases by turns.
THE_OTHERS = [name for name in map(name_of, BY_TURNS) if name not in IN_EVERY_RUN]


class Project:
    def __init__(self, docker: Docker, path: Path) -> None:
        self.docker = docker
        self.path = path
        self._folder = f"/shared/{path.name}"
        text = (path / "compose.yaml").read_text(encoding="utf-8")
        self.services: dict[str, Any] = yaml.safe_load(text)["services"]

    def compose(self, *words: str) -> str:
        return self.docker.run("docker", "compose", *words, within=self._folder)

    def ask(self, path: str, *options: str) -> Any:
        curl = ("curl", "--silent", "--show-error", "--fail", "--max-time", "10", *options)
        return json.loads(self.docker.run(*curl, f"http://127.0.0.1:8000{path}"))

    def register(self, name: str) -> None:
        user = json.dumps({"email": f"{name}@example.com", "full_name": name})
        self.ask("/users", "--json", user)

    def count(self, path: str) -> int:
        return int(self.ask(path)["total"])

    def states(self) -> dict[str, tuple[str, str, int]]:
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return {one["Service"]: (one["State"], one["Health"], one["ExitCode"]) for one in found}

    def layers(self) -> list[str]:
        image = f"{self.path.name}-web"
        template = "{{json .RootFS.Layers}}"
        layers: list[str] = json.loads(
            self.docker.run("docker", "image", "inspect", "--format", template, image)
        )
        return layers


@pytest.mark.parametrize(
    "combinations",
    [
        pytest.param(IN_EVERY_RUN, marks=pytest.mark.long, id="two-engines"),
        # By `make containers`.
        pytest.param(THE_OTHERS, marks=pytest.mark.slow, id="the-others"),
    ],
)
def test_the_containers_run_their_jobs_and_keep_their_data(
    combinations: list[str], sources: Path, tmp_path: Path
) -> None:
    with running_docker(tmp_path) as docker:
        for combination in combinations:
            engine, database = combination.split("-")
            answers = {"engine": engine, "database": database, "project_slug": combination}
            project = Project(docker, render(sources, answers, tmp_path))
            docker.make_stand_ins(project.path)
            for _ in started(project):
                runs_jobs(project)
                rebuilds_only_the_layer_of_the_code(project)
            keeps_its_data(project)


def started(project: Project) -> Iterator[None]:
    """Every health check succeeds at the start, and every process ends in time at the stop."""
    # Lines of .env reach the containers.
    (project.path / ".env").write_text("LOG_LEVEL=DEBUG\nDATABASE_URL=sqlite:////ignored.db\n")
    try:
        project.compose("up", "--build", "--detach", "--wait")
    except AssertionError:
        print(project.compose("ps", "--all"), project.compose("logs", "--tail=30"))
        raise
    states = project.states()
    assert states.pop("migrate") == ("exited", "", 0)
    checked = {name for name, service in project.services.items() if "healthcheck" in service}
    assert states == {name: ("running", "healthy" if name in checked else "", 0) for name in states}
    assert "LOG_LEVEL=DEBUG" in project.compose("exec", "web", "env")
    yield
    project.compose("stop")
    killed = 137
    assert [name for name, state in project.states().items() if state[2] == killed] == []


def runs_jobs(project: Project) -> None:
    project.register("ada")
    until("the jobs to succeed", lambda: project.count("/jobs?status=succeeded") == 2)
    assert project.compose("exec", "mail", "ls", "/data/mails/new").split() != []


def rebuilds_only_the_layer_of_the_code(project: Project) -> None:
    before = project.layers()
    with (project.path / "app" / "tasks.py").open("a", encoding="utf-8") as code:
        code.write("# edited\n")
    project.compose("build", "--quiet")
    after = project.layers()
    assert (after[:-1], after[-1] == before[-1]) == (before[:-1], False)


def keeps_its_data(project: Project) -> None:
    project.compose("up", "--detach", "--wait")
    project.register("grace")
    assert project.count("/users") == 2
    until("the jobs to succeed", lambda: project.count("/jobs?status=succeeded") == 4)
    project.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
