"""Pages of rows."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

Item = TypeVar("Item")

# Counting a million rows takes longer than reading a page of them.
MAX_COUNT = 100_000


class Paging(BaseModel):
    limit: int = Field(default=50, ge=1, le=100, description="Maximum number of items")
    offset: int = Field(default=0, ge=0, le=2**31 - 1, description="Number of items to skip")


class Page(BaseModel, Generic[Item]):
    model_config = ConfigDict(from_attributes=True)

    items: Sequence[Item]
    total: int = Field(description=f"Number of items on all pages, at most {MAX_COUNT:,}")
    limit: int
    offset: int


async def fetch_page(session: AsyncSession, query: Select[Item], paging: Paging) -> Page[Any]:
    """One page of the rows of a query, and their total."""
    some = query.with_only_columns(literal(1), maintain_column_froms=True).order_by(None)
    counted = some.limit(MAX_COUNT).subquery()
    total = await session.scalar(select(func.count()).select_from(counted))
    rows = await session.scalars(query.limit(paging.limit).offset(paging.offset))
    return Page(items=rows.all(), total=total or 0, limit=paging.limit, offset=paging.offset)
