"""What Prometheus asks for: the requests to this process, and the jobs of the service."""

from collections import defaultdict

from fastapi import APIRouter, FastAPI, Request, Response
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
        self._places: dict[int, list[RouteContext]] = {}

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        # What a client may invent is no label: it could make up any number of them.
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, self._template_of(scope), status).observe(seconds)

    def _template_of(self, scope: Scope) -> str:
        """Of the route that has answered, such as /users/{user_id}."""
        if "route" not in scope:
            return "none"
        route = id(scope["route"])
        if route not in self._places:
            self._places = places_of_routes(scope["app"])
        places = self._places.get(route, [])
        for place in places:
            if len(places) == 1 or place.matches(scope)[0] != Match.NONE:
                return str(place.path)
        return "none"


def places_of_routes(app: FastAPI) -> dict[int, list[RouteContext]]:
    """By what id() says of a route, which has several where its router is included as often."""
    places = defaultdict(list)
    for place in iter_route_contexts(app.routes):
        places[id(place.original_route)].append(place)
    return dict(places)


@router.get("/metrics", dependencies=[OpsOnly], response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    found: Metrics = request.app.state.metrics
    await found.jobs.update(request.state.database)
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
