"""What a route may ask for, and the tokens that it may require."""

import secrets
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import BackgroundTasks, Depends, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.database import Paging
from app.jobs import UnitOfWork, unit_of_work
from app.settings import get_settings


async def get_uow(request: Request, background: BackgroundTasks) -> AsyncIterator[UnitOfWork]:
    async with unit_of_work(request.state.database, request.state.relay.lease) as uow:
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


class Token(HTTPBearer):
    """Requires the token. In development, a token that is not set is not required."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(scheme_name=name, description=description, auto_error=False)
        self._name = name

    async def __call__(self, connection: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        credentials = await super().__call__(connection)
        token = get_settings().secrets.get(self._name)
        given = credentials.credentials if credentials else ""
        if token and not secrets.compare_digest(given.encode(), token.get_secret_value().encode()):
            detail = f"The bearer token {self._name} is required."
            raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})
        return credentials


OpsOnly = Depends(Token("OPS_TOKEN", "For operators: jobs and metrics."))
ApiOnly = Depends(Token("API_TOKEN", "For clients that may read personal data."))
