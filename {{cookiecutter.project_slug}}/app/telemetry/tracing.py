"""Spans of requests and jobs, and the id that connects them. They are exported on request only."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from traceback import format_exception
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Engine

from app.telemetry.redaction import redacted

logger = logging.getLogger(__name__)
w3c = TraceContextTextMapPropagator()
tracer = trace.get_tracer(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def traceparent() -> str | None:
    """The current span, to be stored with a job."""
    carrier: dict[str, str] = {}
    w3c.inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    current = trace.get_current_span().get_span_context()
    return trace.format_trace_id(current.trace_id) if current.is_valid else None


@contextmanager
def job_span(task: str, attempt: int, traceparent: str | None) -> Iterator[None]:
    """One try of a job, in the trace in which it was enqueued."""
    origin = w3c.extract({"traceparent": traceparent} if traceparent else {}, Context())
    about: dict[str, str | int] = {"job.task": task, "job.attempt": attempt}
    with tracer.start_as_current_span(
        *(f"run {task}", origin, SpanKind.CONSUMER, about),
        # record_failure() does, with redacted texts.
        record_exception=False,
        set_status_on_exception=False,
    ):
        yield


def record_failure(error: BaseException, reason: str) -> None:
    span = trace.get_current_span()
    if span.is_recording():
        said = {
            "exception.type": type(error).__qualname__,
            "exception.message": reason,
            "exception.stacktrace": redacted("".join(format_exception(error))),
        }
        # Not record_exception(), which fails if the text of the error cannot be read.
        span.add_event("exception", said)
        span.set_status(StatusCode.ERROR, reason)


def is_refresh(scope: Mapping[str, Any]) -> bool:
    """The operators' page keeps itself up to date."""
    return scope["path"].startswith("/ops") and (b"x-refresh", b"1") in scope["headers"]


def is_routine(scope: Mapping[str, Any]) -> bool:
    """Requests of probes, scrapers and open pages, which would hide the other traces."""
    return scope["path"].startswith(("/health/", "/metrics")) or is_refresh(scope)


def exported(*engines: Engine) -> AbstractContextManager[None]:
    """Export the spans of this process while its database is open, if an endpoint is set."""
    if not is_wanted(os.environ):
        return nullcontext()
    try:
        # Its packages are optional and slow to import.
        exporting: Callable[[tuple[Engine, ...]], AbstractContextManager[None]]
        exporting = import_module("app.telemetry.export").exporting
    except ModuleNotFoundError as missing:
        logger.warning("traces are not exported, %s is missing: uv sync --group otel", missing.name)
        return nullcontext()
    return exporting(engines)


def is_wanted(environment: Mapping[str, str]) -> bool:
    """The SDK itself reads the other variables, such as OTEL_SDK_DISABLED."""
    has_endpoint = any(environment.get(name) for name in ENDPOINTS)
    return has_endpoint and environment.get("OTEL_TRACES_EXPORTER") != "none"
