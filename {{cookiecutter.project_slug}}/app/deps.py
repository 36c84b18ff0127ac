"""What a route may ask for."""

import secrets
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import BackgroundTasks, Depends, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.paging import Paging as PagingModel
from app.settings import get_settings
from app.uow import UnitOfWork, unit_of_work


async def get_uow(request: Request, background: BackgroundTasks) -> AsyncIterator[UnitOfWork]:
    lease = get_settings().jobs_lease
    async with unit_of_work(request.state.database, lease) as uow:
        yield uow
    if uow.in_hand:
        background.add_task(request.state.relay.hand_over, uow.in_hand)


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.database.read() as session:
        yield session


class Token(HTTPBearer):
    """Only who knows it is let in; in development, where it may be unset, everybody."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(scheme_name=name, description=description, auto_error=False)
        self._name = name

    async def __call__(self, connection: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        credentials = await super().__call__(connection)
        token = get_settings().secrets.get(self._name)
        given = credentials.credentials if credentials else ""
        if token and not secrets.compare_digest(given.encode(), token.get_secret_value().encode()):
            detail = f"The bearer token {self._name} is needed."
            raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})
        return credentials


# scope="function" commits before the response leaves; by default FastAPI would answer first.
Uow = Annotated[UnitOfWork, Depends(get_uow, scope="function")]
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
Paging = Annotated[PagingModel, Query()]
OpsOnly = Depends(Token("OPS_TOKEN", "Opens what operators see and do."))
ApiOnly = Depends(Token("API_TOKEN", "Opens personal data."))
