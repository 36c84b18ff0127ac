"""Clients of a real process, which send whatever they like."""

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.broker import Broker
from tests.support.database import Server
from tests.support.processes import Service, running_service

pytestmark = pytest.mark.slow

OPS_TOKEN, API_TOKEN = secrets.token_hex(), secrets.token_hex()
MEBIBYTE = 2**20

UNDOCUMENTED = (
    # A schema can tell neither a printable name nor an address that may exist from others.
    "positive_data_acceptance",
    # FastAPI has a route for each method of a path, and names the methods of the first.
    "allow_header_conformance",
)


@pytest.fixture(scope="module")
def service(
    server: Server, migrated: str, private_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    url = server.copy(migrated)
    environment = {
        "ENVIRONMENT": "production",
        "DATABASE_URL": url,
        "OPS_TOKEN": OPS_TOKEN,
        "API_TOKEN": API_TOKEN,
        "TRUSTED_HOSTS": "127.0.0.1",
    }
    directory = tmp_path_factory.mktemp("service")
    with running_service({**environment, **private_broker.environment}, directory) as service:
        yield service
    server.drop(url)


def test_every_response_is_as_documented_whatever_is_sent(service: Service, tmp_path: Path) -> None:
    document = f"{service.url}/openapi.json"
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        f'auth.openapi.OPS_TOKEN.bearer = "{OPS_TOKEN}"\n'
        f'auth.openapi.API_TOKEN.bearer = "{API_TOKEN}"\n'
    )
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"]
    options = ["--exclude-checks", ",".join(UNDOCUMENTED), "--generation-deterministic"]
    run = subprocess.run(
        [*map(str, command), *options, "--max-examples=10", "--no-color", document],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    paths = httpx.get(document).json()["paths"]
    operations = sum(len(methods) for methods in paths.values())
    assert f"Tested: {operations}\n" in run.stdout


def send_until_refused(connection: socket.socket, data: bytes, times: int) -> None:
    for _ in range(times):
        connection.sendall(data)


def test_an_endless_body_is_refused(service: Service) -> None:
    port = int(service.url.rpartition(":")[2])
    head = "POST /users HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (MEBIBYTE, b" " * MEBIBYTE)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode())
        with pytest.raises(ConnectionError):
            send_until_refused(connection, chunk, times=100)
    service.until(lambda: '"status": 413' in service.log)
