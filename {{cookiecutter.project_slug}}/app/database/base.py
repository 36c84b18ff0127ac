"""What every table is made of."""

from datetime import UTC, datetime
from secrets import randbits
from time import time_ns
from uuid import UUID

from sqlalchemy import DateTime, Dialect, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator


def new_id() -> UUID:
    """An id that grows with time (UUID version 7): new rows are neighbours in an index.

    A random id changes another page of the index each time, and PostgreSQL logs whole pages.
    """
    milliseconds = time_ns() // 1_000_000
    return UUID(int=milliseconds << 80 | 7 << 76 | randbits(12) << 64 | 0b10 << 62 | randbits(62))


class Timestamp(TypeDecorator[datetime]):
    """A time in UTC on every database. SQLite itself drops the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Timestamp}  # noqa: RUF012 - SQLAlchemy's own form
