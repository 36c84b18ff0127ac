"""What a route may ask for."""

import secrets
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import BackgroundTasks, Depends, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.paging import Paging as PagingModel
from app.settings import get_settings
from app.uow import UnitOfWork, unit_of_work

bearer = HTTPBearer(auto_error=False, scheme_name="OPS_TOKEN")


async def get_uow(request: Request, background: BackgroundTasks) -> AsyncIterator[UnitOfWork]:
    lease = get_settings().jobs_lease
    async with unit_of_work(request.state.database, lease) as uow:
        yield uow
    if uow.in_hand:
        background.add_task(request.state.relay.hand_over, uow.in_hand)


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.database.read() as session:
        yield session


def check_ops_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> None:
    token = get_settings().ops_token
    if token is None:
        return
    given = credentials.credentials if credentials else ""
    if not secrets.compare_digest(given.encode(), token.get_secret_value().encode()):
        raise HTTPException(401, "A valid bearer token is needed.", {"WWW-Authenticate": "Bearer"})


# scope="function" commits before the response leaves; by default FastAPI would answer first.
Uow = Annotated[UnitOfWork, Depends(get_uow, scope="function")]
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
Paging = Annotated[PagingModel, Query()]
OpsOnly = Depends(check_ops_token)
