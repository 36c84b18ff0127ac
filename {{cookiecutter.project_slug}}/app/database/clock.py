"""The clock of the database: processes on several machines need not agree on the time."""

from datetime import timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, DateTime, Dialect, Interval
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.database.base import utc_now


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
