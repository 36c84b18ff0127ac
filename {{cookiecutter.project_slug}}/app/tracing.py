"""Spans, which go nowhere until a process exports them, and the ids that join them to jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exception

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.discretion import discreet

w3c = TraceContextTextMapPropagator()
tracer = trace.get_tracer(__name__)


def traceparent() -> str | None:
    """The current span, for a job to remember."""
    carrier: dict[str, str] = {}
    w3c.inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    current = trace.get_current_span().get_span_context()
    return trace.format_trace_id(current.trace_id) if current.is_valid else None


@contextmanager
def job_span(task: str, attempt: int, traceparent: str | None) -> Iterator[None]:
    """One try of a job, in the trace that it was enqueued in."""
    origin = w3c.extract({"traceparent": traceparent} if traceparent else {}, Context())
    about: dict[str, str | int] = {"job.task": task, "job.attempt": attempt}
    with tracer.start_as_current_span(f"run {task}", origin, SpanKind.CONSUMER, about):
        yield


def record_failure(error: BaseException) -> None:
    span = trace.get_current_span()
    said = {
        "exception.message": discreet(str(error)),
        "exception.stacktrace": discreet("".join(format_exception(error))),
    }
    span.record_exception(error, said)
    span.set_status(StatusCode.ERROR, discreet(repr(error)))
