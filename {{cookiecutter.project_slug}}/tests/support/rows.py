"""Reading the rows of a table."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import select

from app.database import Base, Database

Row = TypeVar("Row", bound=Base)


async def rows(database: Database, kind: type[Row]) -> Sequence[Row]:
    """All rows, the oldest first."""
    async with database.read() as session:
        return (await session.scalars(select(kind).order_by(kind.__table__.c.created_at))).all()
