"""What every error response looks like."""

import httpx


def is_problem(response: httpx.Response, status: int) -> bool:
    body = response.json()
    return (
        response.status_code == body["status"] == status
        and response.headers["content-type"] == "application/problem+json"
        and bool(body["title"] and body["detail"])
    )
