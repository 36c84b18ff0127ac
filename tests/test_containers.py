"""Static checks of the image and the compose file. Running them needs a Docker engine."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from template import combinations, name_of, render


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_compose_starts_every_process_of_the_procfile(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    project = render(sources, answers, tmp_path)
    file = project / "compose.yaml"
    checked = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    assert checked.returncode == 0, checked.stdout
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    processes = re.findall(r"^(\w+):", (project / "Procfile.dev").read_text(), re.MULTILINE)
    assert "web" in processes
    assert [name for name in processes if name not in services] == []


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_no_port_is_reachable_from_other_machines(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    file = render(sources, answers, tmp_path) / "compose.yaml"
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("answers", combinations("engine", "database"), ids=name_of)
def test_our_services_have_few_privileges_and_wait_for_migrations(
    answers: dict[str, str], sources: Path, tmp_path: Path
) -> None:
    file = render(sources, answers, tmp_path) / "compose.yaml"
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    ours = {name: service for name, service in services.items() if "build" in service}
    assert {"migrate", "web"} <= ours.keys() <= {"migrate", "web", "worker"}
    for name, service in ours.items():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        if name != "migrate":
            migrated = service["depends_on"]["migrate"]["condition"]
            assert migrated == "service_completed_successfully"
        for other, needed in dict(service["depends_on"]).items():
            waits_for_health = needed["condition"] == "service_healthy"
            assert waits_for_health == (other not in ("migrate", "mail"))
            assert not waits_for_health or services[other]["healthcheck"]


def test_hadolint_accepts_the_dockerfile(sources: Path, tmp_path: Path) -> None:
    answers = {"engine": "background", "database": "sqlite"}
    linted = run("hadolint", render(sources, answers, tmp_path) / "Dockerfile")
    assert linted.returncode == 0, linted.stdout
