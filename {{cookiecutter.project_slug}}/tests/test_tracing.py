"""What joins a job to the request that it follows from."""

import logging

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from app import tracing
from app.log import fields
from app.users.tasks import write_audit_log

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


def test_a_job_remembers_the_span_that_it_was_enqueued_in() -> None:
    with trace.use_span(REQUEST):
        job = write_audit_log.job("user_registered", "ada@example.com")
    assert job.traceparent == TRACEPARENT


def test_a_job_that_is_enqueued_in_no_span_remembers_none() -> None:
    assert write_audit_log.job("user_registered", "ada@example.com").traceparent is None


def test_a_job_runs_in_the_trace_that_it_was_enqueued_in() -> None:
    with tracing.job_span("write_audit_log", 1, TRACEPARENT):
        assert fields(logging.makeLogRecord({})) == {"trace_id": TRACE_ID}
    assert fields(logging.makeLogRecord({})) == {}


def test_a_job_of_no_trace_does_not_run_in_that_of_another_request() -> None:
    with trace.use_span(REQUEST), tracing.job_span("write_audit_log", 1, None):
        assert tracing.trace_id() is None
