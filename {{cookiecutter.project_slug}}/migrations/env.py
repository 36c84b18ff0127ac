import asyncio
from typing import Literal

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.types import TypeDecorator

from app.database import Base
from app.database.engines import create_engine
from app.jobs import models as jobs
from app.settings import get_settings
from app.users import models as users

# Imported, so that Base.metadata knows the tables.
__all__ = ["jobs", "users"]


def render_item(_: str, item: object, __: object) -> str | Literal[False]:
    # A migration is history: it names no type of ours, which may change.
    return f"sa.{item.impl!r}" if isinstance(item, TypeDecorator) else False


def migrate(connection: Connection) -> None:
    # One process migrates, the others wait: SQLite's writers do so anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alembic'))"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    engine = create_engine(get_settings().database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


asyncio.run(main())
