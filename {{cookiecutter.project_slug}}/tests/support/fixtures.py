"""The fixtures of every test. `tests/conftest.py` loads them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Table, delete, inspect

from app.database import Base, Database, open_database
from app.database.migrations import migrate
from app.main import create_app
from app.settings import get_settings
from tests.support.broker import Broker, running_broker
from tests.support.client import client_of
from tests.support.database import Server, running_server
from tests.support.environment import Environ, clean_environment
from tests.support.fake_engine import FakeEngine
from tests.support.receivers import (
    MailServer,
    WebhookReceiver,
    running_mail_server,
    running_webhook_receiver,
)
from tests.support.servers import Servers
from tests.support.stack import Stack, running_stack


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Servers(), Servers.NAME)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    plugin = pytestconfig.pluginmanager.get_plugin(Servers.NAME)
    assert isinstance(plugin, Servers)
    return plugin


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("databases")) as server:
        servers.use(server.description)
        yield server


@pytest.fixture(scope="session")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a migrated database. Copy it, do not change it."""
    url = server.create()
    with clean_environment(tmp_path_factory.mktemp("migrated")) as environ:
        environ(DATABASE_URL=url)
        asyncio.run(migrate())
    return url


@pytest.fixture(scope="session")
def private_broker(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        servers.use(broker.description, broker.missing)
        yield broker


@pytest.fixture
def broker(private_broker: Broker) -> Broker:
    """It is up and empty, whatever the last test did to it."""
    private_broker.thaw()
    private_broker.start()
    private_broker.empty()
    return private_broker


@pytest.fixture(autouse=True)
def environ(tmp_path: Path) -> Iterator[Environ]:
    """Sets environment variables. At first no setting is set."""
    with clean_environment(tmp_path) as environ:
        yield environ


@pytest.fixture
def database_url(server: Server, migrated: str, environ: Environ) -> Iterator[str]:
    """A database of this test alone."""
    url = server.copy(migrated)
    environ(DATABASE_URL=url)
    yield url
    server.drop(url)


@pytest.fixture
async def own_database(database_url: str) -> AsyncIterator[Database]:
    """For a test that changes the schema or breaks the database."""
    async with open_database(get_settings().database_url) as database:
        yield database


@pytest.fixture(scope="session")
def shared_url(server: Server, migrated: str) -> Iterator[str]:
    url = server.copy(migrated)
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
async def shared_database(
    shared_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Database]:
    """It stays open, because SQLAlchemy compiles each statement once per engine."""
    async with AsyncExitStack() as stack:
        with clean_environment(tmp_path_factory.mktemp("shared")) as environ:
            environ(DATABASE_URL=shared_url)
            opened = open_database(get_settings().database_url)
            database = await stack.enter_async_context(opened)
        yield database


@pytest.fixture(scope="session")
async def tables(shared_database: Database) -> list[Table]:
    async with shared_database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    # A model may be newer than the last migration.
    return [table for table in Base.metadata.sorted_tables if table.name in names]


@pytest.fixture
async def database(
    shared_database: Database, shared_url: str, tables: list[Table], environ: Environ
) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    environ(DATABASE_URL=shared_url)
    yield shared_database
    async with shared_database.write.begin() as session:
        for table in reversed(tables):
            await session.execute(delete(table))
    shared_database.has_due_jobs.clear()


@pytest.fixture
def engine() -> FakeEngine:
    """Keeps what it is sent. `run_jobs(database)` runs it."""
    return FakeEngine()


@pytest.fixture
def app(environ: Environ) -> FastAPI:
    return create_app()


@pytest.fixture
async def client(
    app: FastAPI, database: Database, engine: FakeEngine
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service."""
    async with client_of(app, database, engine) as client:
        yield client


@pytest.fixture
def mail_server(environ: Environ) -> Iterator[MailServer]:
    """Receives the mails of this test."""
    with running_mail_server() as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="none")
        yield server


@pytest.fixture
def webhook_receiver(environ: Environ) -> Iterator[WebhookReceiver]:
    """Receives the webhooks of this test."""
    with running_webhook_receiver() as receiver:
        environ(WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=receiver.secret)
        yield receiver


@pytest.fixture(scope="module")
def lasting_stack(
    server: Server, migrated: str, private_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    url = server.copy(migrated)
    with running_stack(url, private_broker, tmp_path_factory.mktemp("stack")) as stack:
        yield stack
    server.drop(url)


@pytest.fixture
def stack(lasting_stack: Stack, broker: Broker, environ: Environ) -> Stack:
    """The processes of the service and all that they talk to, up, whatever the last test did."""
    environ(DATABASE_URL=lasting_stack.database_url)
    lasting_stack.mail_server.reset()
    lasting_stack.webhook_receiver.reset()
    lasting_stack.service.start()
    return lasting_stack
