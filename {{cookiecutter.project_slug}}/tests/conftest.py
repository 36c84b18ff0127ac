"""What a test may ask for. Each has a database and settings of its own."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.database import Database, open_database
from app.database.migrations import migrate
from app.jobs.runtime.relay import Engine, Relay
from app.main import State, create_app
from app.settings import Settings, get_settings
from app.tasks import registry
from tests.broker import Broker, running_broker
from tests.database import Server, running_server
from tests.engine import FakeEngine

Environ = Callable[..., None]
SERVERS = pytest.StashKey[list[str]]()
UNPROVED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("databases")) as server:
        pytestconfig.stash[SERVERS].append(server.description)
        yield server


@pytest.fixture(scope="session")
def migrated(server: Server) -> str:
    """The URL of a migrated database, of which tests get copies."""
    url = server.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()
        asyncio.run(migrate())
    get_settings.cache_clear()
    return url


@pytest.fixture(scope="session")
def private_broker(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        pytestconfig.stash[SERVERS].append(broker.description)
        if not broker.is_real:
            if os.environ.get("REQUIRE_REAL_SERVERS") == "1":
                pytest.fail(f"a real server is required, and found was {broker.description}")
            pytestconfig.stash[UNPROVED].append(broker.description)
        yield broker


@pytest.fixture
def broker(private_broker: Broker) -> Broker:
    """Up and empty, whatever the test before has done to it."""
    private_broker.thaw()
    private_broker.start()
    private_broker.empty()
    return private_broker


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Environ]:
    """Sets environment variables; at first none is set that the service knows, and no file .env."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    get_settings.cache_clear()

    def set_variables(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()

    yield set_variables
    get_settings.cache_clear()


@pytest.fixture
def database_url(server: Server, migrated: str, environ: Environ) -> Iterator[str]:
    url = server.copy(migrated)
    environ(DATABASE_URL=url)
    yield url
    server.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(get_settings().database_url) as database:
        yield database


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def relay(database: Database, engine: FakeEngine) -> Relay:
    return Relay(database, engine)


@pytest.fixture
def own_tasks() -> Iterator[None]:
    """A test declares tasks of its own, whatever the names of the service's are."""
    before = dict(registry)
    registry.clear()
    yield
    registry.clear()
    registry.update(before)


@pytest.fixture
def app(environ: Environ) -> FastAPI:
    return create_app()


@pytest.fixture
async def client(
    app: FastAPI, database: Database, engine: FakeEngine
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, whose jobs go to an engine that keeps them."""
    async with client_of(app, database, engine) as client:
        yield client


@asynccontextmanager
async def client_of(
    app: FastAPI, database: Database, engine: Engine
) -> AsyncIterator[httpx.AsyncClient]:
    state = State(database=database, engine=engine, relay=Relay(database, engine))

    async def app_with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    transport = httpx.ASGITransport(app_with_state)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what must come; only a test that fails waits for long."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - a row in a database sets no event
            await asyncio.sleep(0.02)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = []
    config.stash[UNPROVED] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.section("servers")
    for description in config.stash[SERVERS]:
        terminalreporter.line(f"used {description}")
    for description in config.stash[UNPROVED]:
        terminalreporter.line(
            f"NOT PROVED, as {description} is no real server: that jobs outlive a broker's restart"
        )
