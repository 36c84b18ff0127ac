"""The tables of jobs and of schedules."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Enum, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, class_mapper, mapped_column, relationship

from app.database import Base


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


StatusColumn = Enum(Status, native_enum=False, length=16, values_callable=list)


class Job(Base):
    """One call of a task, and its outcome."""

    __tablename__ = "jobs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(Text)
    queue: Mapped[str] = mapped_column(Text)
    # Of the open jobs of a task, only one has this key.
    key: Mapped[str | None] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[Status] = mapped_column(StatusColumn)
    # It only grows: a try that lost its lease cannot be taken for the next one.
    attempts: Mapped[int]
    max_tries: Mapped[int]
    run_at: Mapped[datetime]
    # Until then, a request, the broker or a worker is responsible for the job.
    lease_until: Mapped[datetime | None]
    # Spares the other jobs a look at the table of predecessors.
    is_follower: Mapped[bool]
    cancel_requested: Mapped[bool]
    request_id: Mapped[str | None] = mapped_column(Text)
    # The span in which it was enqueued, in W3C's format.
    traceparent: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    # The latest tries that failed, the newest last.
    failures: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    progress: Mapped[int | None]
    progress_note: Mapped[str | None] = mapped_column(Text)
    result: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    # Since then, the processes that met it did not know its task or its arguments.
    unknown_since: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    # Set if and only if the job has succeeded or failed, or was cancelled.
    finished_at: Mapped[datetime | None]
    predecessors: Mapped[list["Predecessor"]] = relationship(
        foreign_keys="Predecessor.job_id", lazy="raise", passive_deletes=True
    )

    @classmethod
    def of(cls, **values: object) -> "Job":
        """A job of these columns. The constructor is slow, because it notes each for a session."""
        job: Job = class_mapper(cls).class_manager.new_instance()
        vars(job).update(EMPTY | values)
        return job


class Predecessor(Base):
    """A job starts when all of its predecessors have ended as wanted."""

    __tablename__ = "job_predecessors"

    job_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    predecessor_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("jobs.id"), primary_key=True, index=True
    )
    wanted: Mapped[Status] = mapped_column(StatusColumn)


class Schedule(Base):
    """The next time at which a task is due."""

    __tablename__ = "schedules"

    task: Mapped[str] = mapped_column(Text, primary_key=True)
    rule: Mapped[str] = mapped_column(Text)
    next_at: Mapped[datetime]
    # The job of the last run. No foreign key, because old jobs are pruned.
    job_id: Mapped[uuid.UUID | None]


EMPTY: dict[str, object] = {
    column.key: None
    for column in Job.__table__.columns
    if column.default is None and column.server_default is None
}
OPEN = Job.finished_at.is_(None)
IS_QUEUED = OPEN & (Job.status == Status.QUEUED)
FINISHED = Job.finished_at.is_not(None)
HAS_KEY = OPEN & Job.key.is_not(None)
# A query for another status must repeat it: SQLite does not infer it.
NOT_SUCCEEDED = Job.status != Status.SUCCEEDED

# Nearly all jobs have succeeded. Frequent queries read partial indexes of the few others: SQLite
# would guess wrong about an index of all jobs by status, and scan it.
Index("ix_jobs_open", Job.lease_until, Job.run_at, sqlite_where=OPEN, postgresql_where=OPEN)
Index("ix_jobs_key", Job.task, Job.key, unique=True, sqlite_where=HAS_KEY, postgresql_where=HAS_KEY)
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
