"""URLs as providers hand them out, and what says that one of them is wrong."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from sqlalchemy import URL, make_url, text

from app.database import check_database_url, open_database
from app.settings import get_settings
from tests.platform.data import PRODUCTION
from tests.support.broker import Broker
from tests.support.database import execute, identity, private_server
from tests.support.environment import Environ
from tests.support.ports import free_port
from tests.support.processes import PROJECT, Service

# A refused connection is closed later: with this fixture, the event loop is still there.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_database")]

RULES = """
host all app 127.0.0.1/32 trust
hostssl all encrypted 127.0.0.1/32 trust
hostnossl all plain 127.0.0.1/32 trust
host all guarded 127.0.0.1/32 scram-sha-256
"""
ROLES = (
    "CREATE ROLE encrypted LOGIN",
    "CREATE ROLE plain LOGIN",
    "CREATE ROLE guarded LOGIN PASSWORD 'open/sesame'",
    "CREATE SCHEMA shop AUTHORIZATION encrypted",
)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    # Not in the directory of pytest, which PostgreSQL's user may not enter.
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def ca(directory: Path) -> str:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    return str(directory / "ca.pem")


@pytest.fixture(scope="module")
def tls_server(directory: Path, ca: str) -> Iterator[URL]:
    """It requires TLS of one role, refuses it to another, and asks a third for its password."""
    key, rules = directory / "key.pem", directory / "pg_hba.conf"
    rules.write_text(RULES)
    key.chmod(0o600)
    for file in directory.iterdir():
        if owner := identity().get("user"):
            shutil.chown(file, owner)
    url = make_url(f"postgresql://app@127.0.0.1:{free_port()}/app?sslmode=disable")
    options = {"ssl": "on", "ssl_cert_file": directory / "certificate.pem", "ssl_key_file": key}
    options |= {"hba_file": rules, "fsync": "off"}
    switches = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with private_server(directory / "data", url, *switches):
        for statement in ROLES:
            execute(url, statement)
        yield url


@pytest.fixture
def query(tls_server: URL, ca: str) -> dict[str, str]:
    return {
        "host": f"127.0.0.1:{tls_server.port}",
        "ca": ca,
        "named": f"localhost:{tls_server.port}",
    }


async def ask(environ: Environ, url: str, question: str) -> object:
    environ(**PRODUCTION | {"DATABASE_URL": url})
    async with open_database(get_settings().database_url) as database, database.read() as session:
        return await session.scalar(text(question))


IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize(
    ("url", "is_encrypted"),
    [
        ("postgres://encrypted@{host}/app", True),
        ("postgresql://plain@{host}/app?sslmode=disable", False),
        ("postgresql://plain@{host}/app?sslmode=allow", False),
        ("postgresql://encrypted@{host}/app?sslmode=allow", True),
        ("postgresql://plain@{host}/app?sslmode=prefer", False),
        ("postgresql://encrypted@{host}/app?sslmode=require&channel_binding=prefer", True),
        ("postgresql://encrypted@{host}/app?sslmode=require&sslrootcert={ca}", True),
        ("postgresql://encrypted@{host}/app?sslmode=verify-ca&sslrootcert={ca}", True),
        ("postgresql://encrypted@{named}/app?sslmode=verify-full&sslrootcert={ca}", True),
    ],
)
async def test_sslmode_is_honoured(
    query: dict[str, str], environ: Environ, url: str, *, is_encrypted: bool
) -> None:
    assert await ask(environ, url.format(**query), IS_ENCRYPTED) is is_encrypted


@pytest.mark.parametrize(
    ("parameter", "question", "answer"),
    [
        ("application_name=shop", "SHOW application_name", "shop"),
        ("options=-c%20search_path%3Dshop", "SHOW search_path", "shop"),
        ("connect_timeout=3", "SELECT 'connected'", "connected"),
        ("target_session_attrs=read-write", "SHOW transaction_read_only", "off"),
    ],
)
async def test_a_parameter_is_honoured(
    query: dict[str, str], environ: Environ, parameter: str, question: str, answer: str
) -> None:
    url = f"postgresql://encrypted@{query['host']}/app?{parameter}"
    assert await ask(environ, url, question) == answer


async def test_the_next_host_is_asked_if_the_first_is_away(
    query: dict[str, str], environ: Environ
) -> None:
    url = f"postgresql://app@127.0.0.1:1,{query['host']}/app?target_session_attrs=read-write"
    assert await ask(environ, url, "SELECT current_database()") == "app"


async def test_a_password_may_have_any_character(query: dict[str, str], environ: Environ) -> None:
    for password in ("open/sesame", quote("open/sesame", safe="")):
        url = f"postgresql://guarded:{password}@{query['host']}/app"
        assert await ask(environ, url, "SELECT current_user") == "guarded"


WRONG = "password authentication failed"
REFUSALS = [
    ("guarded:wrong@{host}/app", WRONG),
    ("nobody@{host}/app", "no pg_hba.conf entry"),
    ("app@{host}/missing", 'database "missing" does not exist'),
    ("encrypted@{host}/app?sslmode=disable", "no pg_hba.conf entry"),
    ("app@{host}/app?sslmode=verify-full", "root certificate file"),
    ("app@{host}/app?sslmode=verify-full&sslrootcert=system", "CERTIFICATE_VERIFY_FAILED"),
    ("app@{host}/app?sslmode=verify-full&sslrootcert={ca}", "CERTIFICATE_VERIFY_FAILED"),
    ("app@{host}/app?target_session_attrs=any-old", "target_session_attrs is expected to be"),
    ("app@{host}/app?connection_limit=1", 'configuration parameter "connection_limit"'),
    ("app@{host}/app?keepalives=1", 'configuration parameter "keepalives"'),
    ("app@{host}/app?options=-c%20serch_path%3Dshop", "unrecognized configuration parameter"),
]


@pytest.mark.parametrize(("place", "reason"), REFUSALS)
async def test_a_url_that_is_refused_ends_the_start_with_one_line(
    query: dict[str, str], environ: Environ, place: str, reason: str
) -> None:
    environ(**PRODUCTION | {"DATABASE_URL": f"postgresql://{place.format(**query)}"})
    with pytest.raises(SystemExit) as ended:
        await check_database_url()
    [line] = str(ended.value).splitlines()
    assert line.startswith("DATABASE_URL: ")
    assert reason in line


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_refused_url_ends_each_process_with_one_line(
    query: dict[str, str], broker: Broker, tmp_path: Path, environment: str
) -> None:
    settings = {
        **PRODUCTION,
        **broker.environment,
        "ENVIRONMENT": environment,
        "DATABASE_URL": f"postgresql://guarded:wrong@{query['host']}/app",
    }
    service = Service(settings, tmp_path)
    for process in {service.web, service.worker}:
        process.start()
        assert process.wait() != 0
        assert "Traceback" not in process.log
        [_] = [line for line in process.log.splitlines() if f"DATABASE_URL: {WRONG}" in line]


def test_a_refused_url_ends_alembic_with_one_line(query: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=PROJECT,
        env={"DATABASE_URL": f"postgresql://guarded:wrong@{query['host']}/app"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == f'DATABASE_URL: {WRONG} for user "guarded"\n'
