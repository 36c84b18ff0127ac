"""How the service starts."""

from pathlib import Path

import httpx
import pytest

from tests.support.broker import Broker
from tests.support.database import Server
from tests.support.processes import Service, running_service

pytestmark = pytest.mark.slow


def test_in_development_the_service_migrates_its_database(
    server: Server, broker: Broker, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": server.create(), **broker.environment}
    with running_service(environment, tmp_path) as service:
        response = httpx.get(f"{service.url}/health/ready")
        assert (response.status_code, response.json()["database"]) == (200, "ok")
        for name in ("API_TOKEN", "OPS_TOKEN"):
            assert f"{name} is not set: its endpoints are public" in service.log


def test_a_wrong_setting_ends_the_start_with_one_line(tmp_path: Path) -> None:
    web = Service({"JOBS_LEASE_SECONDS": "soon"}, tmp_path).web
    web.start()
    assert web.wait() != 0
    [line] = web.log.splitlines()
    assert line.startswith("Wrong settings: JOBS_LEASE_SECONDS: ")
