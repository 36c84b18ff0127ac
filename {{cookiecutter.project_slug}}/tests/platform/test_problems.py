"""Errors, as responses and in the documentation."""

import httpx
import pytest

from tests.support.problems import is_problem


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/jobs", 405), ("GET", "/jobs/1", 422)],
)
async def test_what_the_framework_refuses_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert is_problem(await client.request(method, path), status)


async def test_the_documentation_of_every_route_describes_its_errors(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    undocumented = [
        f"{method} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "application/problem+json" not in operation["responses"]["default"]["content"]
    ]
    assert undocumented == []


async def test_every_route_has_an_operation_id_of_its_own(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    ids = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert sorted(set(ids)) == sorted(ids)
