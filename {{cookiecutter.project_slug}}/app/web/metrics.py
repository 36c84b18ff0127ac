"""Metrics for Prometheus: the requests of this process, and the jobs of the service."""

from collections import defaultdict
from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import RouteContext, iter_route_contexts
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

from app.jobs.metrics import JobMetrics
from app.web.deps import OpsOnly

router = APIRouter(tags=["metrics"])

# Otherwise each series has a second one with the time of its creation.
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotations

METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}


class Metrics:
    """One registry per application."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.jobs = JobMetrics(self.registry, tasks)
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Time until the response begins",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._places = defaultdict[int, list[RouteContext]](list)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        # Never a label that a client can invent: each value is a new series.
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, self._template_of(scope), status).observe(seconds)

    def _template_of(self, scope: Scope) -> str:
        """The path of the route, such as /users/{user_id}."""
        if not self._places:
            for place in iter_route_contexts(scope["app"].routes):
                self._places[id(place.original_route)].append(place)
        # A route has several if its router is included several times.
        places = self._places.get(id(scope.get("route")), [])
        for place in places:
            if len(places) == 1 or place.matches(scope)[0] != Match.NONE:
                return str(place.path)
        return "none"


@router.get("/metrics", dependencies=[OpsOnly], response_class=PlainTextResponse)
async def read_metrics(request: Request) -> Response:
    """Metrics in the text format of Prometheus."""
    metrics: Metrics = request.app.state.metrics
    await metrics.jobs.update(request.state.database)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
