"""Which routes require a token, and which token opens them."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.database import Database
from app.jobs import Status
from app.main import create_app
from app.web.deps import Token
from tests.platform.data import ADA, add_job, ago, reread
from tests.support.environment import Environ
from tests.support.problems import is_problem

TOKENS = {"OPS_TOKEN": "of operators", "API_TOKEN": "of other services"}
# A parameter of a path, whatever its type: the token is checked first.
ANY = "00000000-0000-0000-0000-000000000000"
FOR_OPERATORS = ("GET /jobs", "POST /jobs/{job_id}/{action}", "GET /metrics")
FOR_ALL = ("GET /jobs/{job_id}", "GET /health/live", "GET /health/ready", "GET /openapi.json")

Routes = dict[str, set[str]]


def tokens_of(dependant: Dependant) -> Iterator[str]:
    if isinstance(dependant.call, Token):
        yield dependant.call.scheme_name
    for dependency in dependant.dependencies:
        yield from tokens_of(dependency)


def guarded_routes(app: FastAPI) -> Routes:
    """Every route that requires tokens of the service, yours included."""
    routes = {
        f"{method} {route.path_format}": set(tokens_of(route.dependant))
        for route in iter_route_contexts(app.routes)
        if hasattr(route, "dependant")
        for method in route.methods or ()
    }
    return {route: tokens for route, tokens in routes.items() if tokens}


async def call(
    client: httpx.AsyncClient, route: str, authorization: str = "", path_parameter: object = ANY
) -> httpx.Response:
    method, path = route.replace("{action}", "retry").split()
    parts = [str(path_parameter) if part.startswith("{") else part for part in path.split("/")]
    headers = httpx.Headers({"Authorization": authorization}, encoding="latin-1")
    return await client.request(method, "/".join(parts), headers=headers)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer {other}", "Bearer {right}\u00fc", "Basic {right}"]
)
async def test_a_guarded_route_requires_its_own_token(
    app: FastAPI, client: httpx.AsyncClient, environ: Environ, authorization: str
) -> None:
    environ(**TOKENS)
    for route, names in guarded_routes(app).items():
        other = ", ".join(TOKENS[name] for name in TOKENS.keys() - names)
        for name in names:
            given = authorization.format(right=TOKENS[name], other=other)
            response = await call(client, route, given)
            assert is_problem(response, 401), route
            assert response.headers["www-authenticate"] == "Bearer"


async def test_the_documentation_names_the_token_of_each_route(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    document = (await client.get("/openapi.json")).json()
    documented = {
        f"{method.upper()} {path}": {
            name for needed in operation.get("security", []) for name in needed if name in TOKENS
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    guarded = guarded_routes(app)
    assert {route: names for route, names in documented.items() if names} == {
        route: names for route, names in guarded.items() if route in documented
    }
    schemes = document["components"]["securitySchemes"]
    assert {schemes[name]["scheme"] for names in guarded.values() for name in names} == {"bearer"}


async def test_the_token_of_operators_opens_their_routes(
    client: httpx.AsyncClient, database: Database, environ: Environ
) -> None:
    environ(**TOKENS)
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    for route in FOR_OPERATORS:
        response = await call(client, route, f"Bearer {TOKENS['OPS_TOKEN']}", job.id)
        assert response.is_success, route


async def test_a_refused_request_changes_nothing(
    client: httpx.AsyncClient, database: Database, environ: Environ
) -> None:
    environ(**TOKENS)
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    assert is_problem(await client.post(f"/jobs/{job.id}/retry"), 401)
    assert (await reread(database, job)).status is Status.FAILED


async def test_clients_and_probes_need_no_token(
    client: httpx.AsyncClient, database: Database, environ: Environ
) -> None:
    environ(**TOKENS)
    job = await add_job(database)
    for route in FOR_ALL:
        assert (await call(client, route, path_parameter=job.id)).is_success, route
    assert (await client.post("/users", json=ADA)).is_success


async def test_a_token_that_is_not_set_is_not_required(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    for route in FOR_OPERATORS:
        assert (await call(client, route, path_parameter=job.id)).is_success, route


def test_the_routes_of_operators_are_guarded() -> None:
    guarded = guarded_routes(create_app())
    assert [route for route in FOR_OPERATORS if guarded.get(route) != {"OPS_TOKEN"}] == []
