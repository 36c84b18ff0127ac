"""Log lines: one per event."""

import io
import json
import logging

import pytest
from fastapi import FastAPI

from app.database import open_database
from app.settings import get_settings
from app.telemetry import log
from app.telemetry.log import JsonFormatter, TextFormatter

Logged = tuple[logging.Logger, io.StringIO]


def logger_to(formatter: logging.Formatter) -> Logged:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("app.test")
    logger.addHandler(handler)
    return logger, stream


@pytest.fixture(params=[JsonFormatter, TextFormatter])
def logged(request: pytest.FixtureRequest) -> Logged:
    return logger_to(request.param())


def test_a_json_line_has_the_event_its_ids_and_its_extras() -> None:
    logger, stream = logger_to(JsonFormatter())
    with log.bound(log.request_id, "the-request"), log.bound(log.job_id, "the-job"):
        logger.warning("job %s", "failed", extra={"attempt": 2})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "app.test",
        "event": "job failed",
        "request_id": "the-request",
        "job_id": "the-job",
        "attempt": 2,
    }


def test_a_line_outside_requests_and_jobs_has_no_ids(logged: Logged) -> None:
    logger, stream = logged
    logger.warning("hello")
    assert "request_id" not in stream.getvalue()
    assert "job_id" not in stream.getvalue()


def test_an_event_is_one_line_whatever_it_contains(logged: Logged) -> None:
    logger, stream = logged
    logger.warning("GET %s", "/a\r\nERROR root: forged\u2028\x1b[31m", extra={"path": "\n\x1b"})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_an_exception_is_part_of_the_json_line() -> None:
    logger, stream = logger_to(JsonFormatter())
    try:
        raise ValueError("too late")
    except ValueError:
        logger.exception("job failed")
    [line] = stream.getvalue().splitlines()
    assert "ValueError: too late" in json.loads(line)["exception"]


def test_development_shows_an_exception_as_a_traceback() -> None:
    logger, stream = logger_to(TextFormatter())
    try:
        raise ValueError("too late")
    except ValueError:
        logger.exception("job failed")
    assert stream.getvalue().splitlines()[-1] == "ValueError: too late"


def test_development_shows_a_failed_start_as_a_traceback() -> None:
    why = "Traceback (most recent call last):\n  ...\nValueError: too late"
    record = logging.makeLogRecord({"name": "uvicorn.error", "levelname": "ERROR", "msg": why})
    assert TextFormatter().format(record).splitlines()[-1] == "ValueError: too late"


async def test_opened_connections_are_not_logged(
    app: FastAPI, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with open_database(get_settings().database_url) as database:
            await database.engine.dispose()
    assert caplog.messages == []
