"""The image and the compose file are well made; that they work needs a Docker engine."""

import subprocess
from pathlib import Path

import pytest
import yaml
from template import combinations, name_of, render

WORKERS = {"background": set(), "arq": {"worker", "redis"}, "celery": {"worker", "redis", "flower"}}
SERVERS = {"sqlite": set(), "postgresql": {"database"}}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_compose_starts_what_the_answers_need(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    file = render(sources, answers, tmp_path) / "compose.yaml"
    checked = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    assert checked.returncode == 0, checked.stdout
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    expected = {"web", "mail"} | WORKERS[answers["engine"]] | SERVERS[answers["database"]]
    assert set(services) == expected


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_no_port_is_open_to_other_machines(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    file = render(sources, answers, tmp_path) / "compose.yaml"
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_hadolint_finds_nothing_in_the_dockerfile(sources: Path, tmp_path: Path) -> None:
    answers = {"engine": "background", "database": "sqlite"}
    linted = run("hadolint", render(sources, answers, tmp_path) / "Dockerfile")
    assert linted.returncode == 0, linted.stdout
