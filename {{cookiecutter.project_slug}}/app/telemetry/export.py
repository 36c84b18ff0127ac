"""Exports the spans of a process by OTLP. Imported only if an endpoint is set."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

# A collector that does not answer must not delay the end of a process for long.
FLUSH_SECONDS = 3
SPAN = "span of the running statement"

tracer = trace.get_tracer(__name__)


@contextmanager
def exporting(engines: Sequence[Engine]) -> Iterator[None]:
    """The standard environment variables choose the endpoint, the sampler and the names."""
    own_name = Resource({SERVICE_NAME: "{{ cookiecutter.project_slug }}"})
    resource = Resource.create().merge(own_name).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()
    for engine in engines:
        trace_statements(engine)
    try:
        yield
    finally:
        flushing = Thread(target=provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)


def trace_statements(engine: Engine) -> None:
    """Only within a request or a job: the statements of the relay begin no trace."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if trace.get_current_span().get_span_context().is_valid:
            about = {"db.system.name": engine.dialect.name, "db.query.text": statement}
            name = statement.split(maxsplit=1)[0]
            connection.info[SPAN] = tracer.start_span(name, None, SpanKind.CLIENT, about)

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *_: object) -> None:
        if span := connection.info.pop(SPAN, None):
            span.end()

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        if context.connection and (span := context.connection.info.pop(SPAN, None)):
            # Only its type: the message may quote a row.
            span.set_status(StatusCode.ERROR, type(context.original_exception).__name__)
            span.end()
