import asyncio
from typing import Literal

from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Enum, text
from sqlalchemy.types import TypeDecorator

from app.database import Base, DatabaseUnavailable
from app.database.engines import create_engine, end_refused_connections
from app.jobs import models as jobs
from app.settings import get_settings
from app.users import models as users

# Imported, so that Base.metadata knows the tables.
__all__ = ["jobs", "users"]


def render_item(_: str, item: object, __: object) -> str | Literal[False]:
    """A migration is history: it names no class of the app, which may change."""
    plain = item.impl if isinstance(item, TypeDecorator) else item
    if isinstance(plain, Enum):
        if plain.native_enum:
            return f"sa.Enum({', '.join(map(repr, plain.enums))}, name={plain.name!r})"
        return f"sa.String(length={plain.length})"
    return False if plain is item else f"sa.{plain!r}"


def skip_empty(_: MigrationContext, __: object, scripts: list[MigrationScript]) -> None:
    if not getattr(context.config.cmd_opts, "autogenerate", False):
        return
    if all(operations.is_empty() for operations in scripts[0].upgrade_ops_list):
        scripts.clear()
        print("The models have not changed: no migration was written.")


def migrate(connection: Connection) -> None:
    # One process migrates, the others wait: SQLite's writers do so anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alembic'))"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        process_revision_directives=skip_empty,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    engine = create_engine(get_settings().database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    except DatabaseUnavailable:
        await end_refused_connections()
        raise
    finally:
        await engine.dispose()


try:
    asyncio.run(main())
except DatabaseUnavailable as error:
    # The service waits for it. A command of the shell does not.
    if context.config.cmd_opts is None:
        raise
    raise SystemExit(f"DATABASE_URL: {error}") from None
