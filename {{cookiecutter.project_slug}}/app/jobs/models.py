"""A job: one call to one task, and what has become of it. Schedules say when one is made."""

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


class Schedule(Base):
    """When a task is due by itself the next time."""

    __tablename__ = "schedules"

    task: Mapped[str] = mapped_column(Text, primary_key=True)
    rule: Mapped[str] = mapped_column(Text)
    next_at: Mapped[datetime]
    # The job of the last due time. No foreign key: old jobs are pruned.
    job_id: Mapped[uuid.UUID | None]


OPEN = Job.finished_at.is_(None)
FINISHED = Job.finished_at.is_not(None)
FOLLOWS = Job.after_id.is_not(None)
# What asks for another status must say so too: SQLite does not infer it.
NOT_SUCCEEDED = Job.status != Status.SUCCEEDED

# Nearly all jobs have succeeded. What is asked every second reads an index of the few others;
# an index of all jobs by their status would lead SQLite, which guesses, through all of them.
Index("ix_jobs_open", Job.lease_until, Job.run_at, sqlite_where=OPEN, postgresql_where=OPEN)
Index("ix_jobs_after_id", Job.after_id, sqlite_where=FOLLOWS, postgresql_where=FOLLOWS)
Index("ix_jobs_finished_at", Job.finished_at, sqlite_where=FINISHED, postgresql_where=FINISHED)
Index("ix_jobs_created_at", Job.created_at)
Index("ix_jobs_task", Job.task, Job.created_at)
Index(
    "ix_jobs_status",
    Job.status,
    Job.created_at,
    sqlite_where=NOT_SUCCEEDED,
    postgresql_where=NOT_SUCCEEDED,
)
