"""A job: one call to one task, and what has become of it."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Enum, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Job(Base):
    __tablename__ = "jobs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, length=16, values_callable=list)
    )
    # Only ever grows, so that a try that was given up cannot pass for the next one.
    attempts: Mapped[int]
    max_tries: Mapped[int]
    run_at: Mapped[datetime]
    # Until then a request, the broker or a worker has the job in hand.
    lease_until: Mapped[datetime | None]
    after_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("jobs.id"))
    request_id: Mapped[str | None] = mapped_column(Text)
    # The span that it was enqueued in, as the W3C writes it.
    traceparent: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    # Set while the job is succeeded or failed, and only then.
    finished_at: Mapped[datetime | None]


OPEN = Job.finished_at.is_(None)
FOLLOWS = Job.after_id.is_not(None)

Index("ix_jobs_open", Job.lease_until, Job.run_at, sqlite_where=OPEN, postgresql_where=OPEN)
Index("ix_jobs_after_id", Job.after_id, sqlite_where=FOLLOWS, postgresql_where=FOLLOWS)
Index("ix_jobs_created_at", Job.created_at)
