"""Lists are answered in pages."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

Item = TypeVar("Item")


class Paging(BaseModel):
    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)


class Page(BaseModel, Generic[Item]):
    model_config = ConfigDict(from_attributes=True)

    items: Sequence[Item]
    total: int
    limit: int
    offset: int


async def fetch_page(session: AsyncSession, query: Select[Item], paging: Paging) -> Page[Any]:
    """One page of the rows that the query finds, and how many it finds in all."""
    total = await session.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
    rows = await session.scalars(query.limit(paging.limit).offset(paging.offset))
    return Page(items=rows.all(), total=total or 0, limit=paging.limit, offset=paging.offset)
