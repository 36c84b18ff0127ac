"""Lists are answered in pages."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

Item = TypeVar("Item")

# To count a million rows takes longer than to read a page of them.
MOST_COUNTED = 100_000


class Paging(BaseModel):
    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)


class Page(BaseModel, Generic[Item]):
    model_config = ConfigDict(from_attributes=True)

    items: Sequence[Item]
    total: int = Field(description=f"Counted up to {MOST_COUNTED}")
    limit: int
    offset: int


async def fetch_page(session: AsyncSession, query: Select[Item], paging: Paging) -> Page[Any]:
    """One page of the rows that the query finds, and how many it finds in all."""
    some = query.with_only_columns(literal(1), maintain_column_froms=True).order_by(None)
    counted = some.limit(MOST_COUNTED).subquery()
    total = await session.scalar(select(func.count()).select_from(counted))
    rows = await session.scalars(query.limit(paging.limit).offset(paging.offset))
    return Page(items=rows.all(), total=total or 0, limit=paging.limit, offset=paging.offset)
