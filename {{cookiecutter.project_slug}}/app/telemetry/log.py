"""One line per event, with the ids of its request, job and trace."""

import json
import logging
import logging.config
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TypeVar

from app.settings import Settings
from app.telemetry.redaction import redacted
from app.telemetry.tracing import trace_id

Value = TypeVar("Value")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)

encode = json.JSONEncoder(default=str).encode
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}


@contextmanager
def bound(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def working_on(job: str, request: str | None) -> Iterator[None]:
    with bound(job_id, job), bound(request_id, request):
        yield


def fields(record: logging.LogRecord) -> dict[str, object]:
    ids = {"request_id": request_id.get(), "job_id": job_id.get(), "trace_id": trace_id()}
    extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
    return {name: value for name, value in {**ids, **extra}.items() if value is not None}


def message_of(record: logging.LogRecord) -> str:
    message = record.getMessage()
    # uvicorn reports a failed start as a traceback. The last line says why the service ended it.
    is_start = record.name == "uvicorn.error"
    return message.rpartition("\nSystemExit: ")[2].rstrip() if is_start else message


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": message_of(record),
            **fields(record),
        }
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info))
        return encode(line)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        pairs = "".join(f"  {name}={encode(value)}" for name, value in fields(record).items())
        message = message_of(record)
        # One line, whatever a client put into it. uvicorn reports a failed start as a traceback.
        if not (record.name == "uvicorn.error" and message.startswith("Traceback ")):
            message = message.encode("unicode_escape").decode()
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{time} {record.levelname:<7} {record.name}: {message}{pairs}"
        if record.exc_info:
            line += "\n" + redacted(self.formatException(record.exc_info))
        return line


def configure_logging(settings: Settings) -> None:
    formatter = TextFormatter if settings.environment == "development" else JsonFormatter
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": formatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": settings.log_level, "handlers": ["stderr"]},
            "loggers": {
                "uvicorn": {"handlers": [], "propagate": True},
                # The service logs requests itself.
                "uvicorn.access": {"handlers": [], "propagate": False},
                "httpx": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
                # It logs every connection that it opens.
                "app.database.engines.Connections": {"level": "WARNING"},
            },
        }
    )
