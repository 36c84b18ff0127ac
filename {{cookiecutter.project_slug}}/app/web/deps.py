"""What a route may ask for."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Paging
from app.jobs import UnitOfWork, unit_of_work
from app.settings import get_settings


async def get_uow(request: Request, background: BackgroundTasks) -> AsyncIterator[UnitOfWork]:
    lease = get_settings().jobs_lease
    async with unit_of_work(request.state.database, lease) as uow:
        yield uow
    if uow.leased:
        background.add_task(request.state.relay.dispatch, uow.leased)


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.database.read() as session:
        yield session


# scope="function" commits before the response is sent; FastAPI's default commits after it.
Uow = Annotated[UnitOfWork, Depends(get_uow, scope="function")]
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
PagingQuery = Annotated[Paging, Query()]
