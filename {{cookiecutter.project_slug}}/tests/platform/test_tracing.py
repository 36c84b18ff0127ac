"""A job belongs to the trace in which it was enqueued."""

import logging
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from app.database import open_database
from app.telemetry import tracing
from app.telemetry.log import fields
from app.users.tasks import write_audit_log
from tests.platform.data import REFUSED
from tests.support.environment import Environ

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
REQUEST = NonRecordingSpan(
    SpanContext(
        trace_id=int(TRACE_ID, 16),
        span_id=0xB7AD6B7169203331,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
)


def test_a_job_stores_the_span_in_which_it_was_enqueued() -> None:
    with trace.use_span(REQUEST):
        job = write_audit_log.job("user_registered", "ada@example.com")
    assert job.traceparent == TRACEPARENT


def test_a_job_that_is_enqueued_outside_spans_stores_none() -> None:
    assert write_audit_log.job("user_registered", "ada@example.com").traceparent is None


def test_a_job_runs_in_the_trace_in_which_it_was_enqueued() -> None:
    with tracing.job_span("write_audit_log", 1, TRACEPARENT):
        assert fields(logging.makeLogRecord({})) == {"trace_id": TRACE_ID}
    assert fields(logging.makeLogRecord({})) == {}


def test_a_job_without_a_trace_joins_no_other() -> None:
    with trace.use_span(REQUEST), tracing.job_span("write_audit_log", 1, None):
        assert tracing.trace_id() is None


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_exported_if_an_endpoint_is_set(
    environment: dict[str, str], is_wanted: bool
) -> None:
    assert tracing.is_wanted(environment) is is_wanted


async def test_missing_packages_are_logged_and_traces_are_not_exported(
    environ: Environ, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environ(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318", OTEL_SDK_DISABLED="false")
    monkeypatch.delitem(sys.modules, "app.telemetry.export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.WARNING, tracing.__name__):
        async with open_database(REFUSED):
            pass
    [line] = caplog.messages
    assert line.endswith("uv sync --group otel")
