"""Bearer tokens, and which routes require one."""

import secrets

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from app.settings import get_settings


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
