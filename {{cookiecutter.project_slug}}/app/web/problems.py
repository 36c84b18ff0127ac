"""Renders every error as application/problem+json."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.database import DatabaseFull, DatabaseUnavailable
from app.errors import AppError

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    title: str = Field(description="Name of the status", examples=["Not Found"])
    status: int = Field(description="Status of the response", examples=[404])
    detail: str = Field(description="What went wrong", examples=["There is no such user."])
    errors: list[dict[str, Any]] | None = Field(
        default=None,
        description="With status 422: where each wrong value is, and what is wrong with it",
        examples=[[{"loc": ["body", "email"], "msg": "Field required"}]],
    )


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


# Documents the errors of every route, FastAPI's own 422 included.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Error",
        "content": {
            ProblemResponse.media_type: {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
}


def problem(
    status: int,
    detail: str | None = None,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> ProblemResponse:
    title = HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=detail or title, errors=errors)
    return ProblemResponse(body.model_dump(exclude_none=True), status, headers)


def add_problem_schema(app: FastAPI) -> None:
    """FastAPI itself adds a schema only for responses of the media type of the route."""
    build = app.openapi

    def document() -> dict[str, Any]:
        built = build()
        built["components"]["schemas"][Problem.__name__] = Problem.model_json_schema()
        return built

    app.openapi = document  # type: ignore[method-assign] # the documented way to extend it


def add_error_handlers(app: FastAPI) -> None:
    add_problem_schema(app)

    @app.exception_handler(AppError)
    async def _(_: Request, error: AppError) -> ProblemResponse:
        return problem(error.status, error.detail)

    @app.exception_handler(HTTPException)
    async def _(_: Request, error: HTTPException) -> ProblemResponse:
        return problem(error.status_code, error.detail, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, error: RequestValidationError) -> ProblemResponse:
        errors = [{key: found[key] for key in ("loc", "msg")} for found in error.errors()]
        return problem(422, "The request is not valid.", errors=errors)

    @app.exception_handler(DatabaseUnavailable)
    async def _(_: Request, error: DatabaseUnavailable) -> ProblemResponse:
        if isinstance(error, DatabaseFull):
            logger.error("the database is full: %s", error)
            return problem(507, "There is no room to store this.")
        logger.error("the database is unavailable: %s", error)
        return problem(503, "Please try again in a moment.", headers={"Retry-After": "1"})
