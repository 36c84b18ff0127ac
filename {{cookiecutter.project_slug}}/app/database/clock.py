"""The clock of the database: processes on several machines need not agree on the time."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, DateTime, Dialect, Interval
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class Reading:
    """What the database said last, less the `monotonic()` of then."""

    epoch: datetime | None = None
    expires = 0.0


def utc_now() -> datetime:
    """The time by the clock of the database, as the process last read it. It is never ahead."""
    if Reading.epoch is None:
        return datetime.now(UTC)
    return Reading.epoch + timedelta(seconds=monotonic())


class FromNow(TypeDecorator[timedelta]):
    """A duration that the database adds to its time. SQLite has no other clock than ours."""

    impl = Interval
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return DateTime() if dialect.name == "sqlite" else Interval()

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> Any:  # noqa: ANN401 - it depends on the database
        return utc_now() + value if value is not None and dialect.name == "sqlite" else value

    def bind_expression(self, bindvalue: BindParameter[timedelta]) -> ColumnElement[Any]:
        return _AddedToNow(bindvalue)


class _AddedToNow(FunctionElement[Any]):
    inherit_cache = True


@compiles(_AddedToNow)
def _on_server(element: _AddedToNow, compiler: SQLCompiler, **options: object) -> str:
    # The time at which the transaction began may be long ago.
    return f"(statement_timestamp() + {compiler.process(element.clause_expr, **options)})"


@compiles(_AddedToNow, "sqlite")
def _in_file(element: _AddedToNow, compiler: SQLCompiler, **options: object) -> str:
    return compiler.process(element.clause_expr, **options)
