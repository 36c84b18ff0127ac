"""How the service reaches its database, and how it is told that this is away or full."""

import sqlite3
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

CONNECT_SECONDS = 5
# For how long a request or a job waits for a connection, or on SQLite for its turn to write.
TURN_SECONDS = 10
# One that was used a moment ago needs no ping: whoever finds it broken has all of them replaced.
TRUSTED_SECONDS = 1
USED_AT = "used at"
ALONE = "alone"

# By the classes of PostgreSQL's SQLSTATE: connection, rollback for another transaction's sake,
# resources, lock, operator (statement timeout, shutdown, start), system.
SQLSTATES_OF_AWAY = ("08", "40", "53", "55P03", "57", "58")
SQLSTATE_OF_FULL = "53100"
SQLITE_IS_AWAY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


class DatabaseAway(SQLAlchemyError):
    """It does not answer, or not in time: the same may succeed in a moment."""


class DatabaseFull(DatabaseAway):
    """It has no room for what was to be stored."""


class Connections(AsyncAdaptedQueuePool):
    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except Exception as error:  # the network, the pool and each driver have their own
            raise DatabaseAway(f"no connection: {error!r}") from error


class SQLite(SQLiteDialect_aiosqlite):
    """Goes to the driver's thread to undo something only where there is something to undo."""

    supports_statement_cache = True

    def do_rollback(self, dbapi_connection: PoolProxiedConnection) -> None:
        driver: Any = dbapi_connection.driver_connection
        with suppress(ValueError):  # it is closed
            if driver.in_transaction:
                dbapi_connection.rollback()


registry.register("sqlite.app", __name__, SQLite.__name__)


def create_engine(
    url: str, pool_size: int = 1, statement_seconds: float | None = None
) -> AsyncEngine:
    """For reading and writing; on SQLite its transactions are the writer's, one by one."""
    if is_sqlite(url):
        return _create_for_sqlite(url, "BEGIN IMMEDIATE", pool_size=1)
    limits: dict[str, object] = {"timeout": CONNECT_SECONDS}
    if statement_seconds is not None:
        # The server gives up a statement; the service gives up a server that is not there any more.
        limits["command_timeout"] = statement_seconds + CONNECT_SECONDS
        limits["server_settings"] = {"statement_timeout": f"{statement_seconds * 1000:.0f}"}
    engine = _create(url, pool_size, connect_args=limits)
    _ping_after_idleness(engine.sync_engine)
    return engine


def create_reading_engine(url: str, pool_size: int) -> AsyncEngine:
    """For SQLite, where reading waits for no writer."""
    return _create_for_sqlite(url, "BEGIN", pool_size)


def alone(engine: AsyncEngine) -> AsyncEngine:
    """Each statement is a transaction of its own: nothing is sent to begin one, or to end it."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{ALONE: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def _create_for_sqlite(url: str, begin: str, pool_size: int) -> AsyncEngine:
    own = make_url(url).set(drivername="sqlite+app")
    engine = _create(own, pool_size, connect_args={"timeout": TURN_SECONDS})

    # Transactions are begun here, not by the driver: a writer waits for its turn when it begins,
    # as one that upgraded later could only fail.
    @event.listens_for(engine.sync_engine, "begin")
    def _(connection: Connection) -> None:
        if not connection.get_execution_options().get(ALONE):
            connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    # On a new file this fails at once while another process does the same; the mode is the file's.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _ping_after_idleness(engine: Engine) -> None:
    @event.listens_for(engine, "checkin")
    def _(_: object, record: ConnectionPoolEntry) -> None:
        record.info[USED_AT] = monotonic()

    @event.listens_for(engine, "checkout")
    def _(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if record.info.get(USED_AT, inf) < monotonic() - TRUSTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:  # whatever is wrong with it, nobody uses it yet
                raise InvalidatePoolError from error


def _create(url: str | URL, pool_size: int, **options: object) -> AsyncEngine:
    engine = create_async_engine(
        url,
        poolclass=Connections,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=TURN_SECONDS,
        # What is in the database is nobody's business who reads the log.
        hide_parameters=True,
        **options,
    )
    event.listen(engine.sync_engine, "handle_error", _hide_row)
    event.listen(engine.sync_engine, "handle_error", _tell_away_from_wrong)
    return engine


def _hide_row(context: ExceptionContext) -> None:
    # PostgreSQL says: "Key (email)=(ada@example.com) already exists."
    cause: Any = context.original_exception.__cause__
    if hasattr(cause, "detail"):
        cause.detail = None


def _tell_away_from_wrong(context: ExceptionContext) -> BaseException | None:
    error = context.original_exception
    if not isinstance(error, Exception):
        return None
    if isinstance(error, OSError):  # time-outs among them
        context.is_disconnect = True
    sqlstate = getattr(error, "sqlstate", None) or ""
    # The low byte: the others say more of the same.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if sqlstate == SQLSTATE_OF_FULL or code == sqlite3.SQLITE_FULL:
        return DatabaseFull(str(error))
    if context.is_disconnect or sqlstate.startswith(SQLSTATES_OF_AWAY) or code in SQLITE_IS_AWAY:
        return DatabaseAway(repr(error))
    return None
