"""Errors that a service raises. Each carries the status of the response."""

from http import HTTPStatus


class AppError(Exception):
    """Rendered as application/problem+json, with its detail."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(AppError):
    status = HTTPStatus.NOT_FOUND


class Conflict(AppError):
    status = HTTPStatus.CONFLICT


class Unprocessable(AppError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
