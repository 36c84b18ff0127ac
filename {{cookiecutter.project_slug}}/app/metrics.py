"""What Prometheus asks for: the requests to this process, and the jobs of the service."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import iter_route_contexts
from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.routing import Match
from starlette.types import Scope

from app.deps import OpsOnly
from app.jobs.metrics import JobMetrics

router = APIRouter(tags=["metrics"])

# When a series began is one more series for each, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotation

METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}


class Metrics:
    """One registry per application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.jobs = JobMetrics(self.registry)
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Until the answer begins",
            ["method", "route", "status"],
            registry=self.registry,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        # What a client may invent is no label: it could make up any number of them.
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, template_of(scope), status).observe(seconds)


def template_of(scope: Scope) -> str:
    """Of the route that has answered, such as /users/{user_id}."""
    for route in iter_route_contexts(scope["app"].routes):
        if route.original_route is scope.get("route") and route.matches(scope)[0] != Match.NONE:
            return str(route.path)
    return "none"


@router.get("/metrics", dependencies=[OpsOnly], response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    found: Metrics = request.app.state.metrics
    await found.jobs.update(request.state.database)
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
