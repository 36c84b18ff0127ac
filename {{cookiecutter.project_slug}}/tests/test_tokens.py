"""Which token opens what."""

import httpx
import pytest

from app.database import Database
from app.jobs import Status
from app.users.models import User
from tests.conftest import Environ
from tests.problems import is_problem
from tests.rows import add_job, ago, reread
from tests.test_users_routes import ADA

TOKENS = {"OPS_TOKEN": "of operators", "API_TOKEN": "of other services"}
GUARDED = {
    "GET /jobs": ("OPS_TOKEN", 200),
    "POST /jobs/{job_id}/retry": ("OPS_TOKEN", 202),
    "GET /metrics": ("OPS_TOKEN", 200),
    "GET /users": ("API_TOKEN", 200),
    "GET /users/{user_id}": ("API_TOKEN", 200),
}
OPEN = {
    "POST /users": 201,
    "GET /jobs/{job_id}": 200,
    "GET /health/live": 200,
    "GET /health/ready": 200,
}

every_guarded_route = pytest.mark.parametrize(
    ("route", "name", "status"), [(route, *needs) for route, needs in GUARDED.items()]
)


async def call(
    client: httpx.AsyncClient, database: Database, route: str, authorization: str | None
) -> httpx.Response:
    """Call a route of a service that has a user, Ada, and a failed job."""
    method, path = route.split()
    job = await add_job(database, status=Status.FAILED, attempts=5, finished_at=ago(1))
    user = User(email="ada@example.com", full_name="Ada Lovelace")
    async with database.write.begin() as session:
        session.add(user)
    url = path.format(job_id=job.id, user_id=user.id)
    body = {**ADA, "email": "new@example.com"} if route == "POST /users" else None
    headers = httpx.Headers({"Authorization": authorization or ""}, encoding="latin-1")
    response = await client.request(method, url, json=body, headers=headers)
    if response.is_error:
        assert (await reread(database, job)).status is Status.FAILED
    return response


@every_guarded_route
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer {other}",
        "Bearer {right}\u00fc",
        "Basic {right}",
    ],
)
async def test_without_its_token_a_guarded_route_is_closed(
    client: httpx.AsyncClient,
    database: Database,
    environ: Environ,
    route: str,
    name: str,
    status: int,
    authorization: str | None,
) -> None:
    environ(**TOKENS)
    [other] = [token for token in TOKENS if token != name]
    given = authorization and authorization.format(right=TOKENS[name], other=TOKENS[other])
    response = await call(client, database, route, given)
    assert is_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert "ada@example.com" not in response.text


@every_guarded_route
async def test_its_token_opens_a_guarded_route(
    client: httpx.AsyncClient,
    database: Database,
    environ: Environ,
    route: str,
    name: str,
    status: int,
) -> None:
    environ(**TOKENS)
    response = await call(client, database, route, f"Bearer {TOKENS[name]}")
    assert response.status_code == status


@every_guarded_route
async def test_while_its_token_is_not_set_a_route_is_open(
    client: httpx.AsyncClient, database: Database, route: str, name: str, status: int
) -> None:
    assert (await call(client, database, route, None)).status_code == status


@pytest.mark.parametrize(("route", "status"), OPEN.items())
async def test_what_clients_and_probes_need_is_open_to_all(
    client: httpx.AsyncClient, database: Database, environ: Environ, route: str, status: int
) -> None:
    environ(**TOKENS)
    assert (await call(client, database, route, None)).status_code == status


async def test_the_documentation_names_the_token_of_each_route(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    documented = {
        f"{method.upper()} {path}": [name for needed in operation["security"] for name in needed]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "security" in operation
    }
    assert documented == {route: [name] for route, (name, _) in GUARDED.items()}
    schemes = document["components"]["securitySchemes"]
    assert {name: scheme["scheme"] for name, scheme in schemes.items()} == dict.fromkeys(
        TOKENS, "bearer"
    )
