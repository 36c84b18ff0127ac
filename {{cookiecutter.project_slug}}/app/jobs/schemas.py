"""What clients and operators see of a job. Clients never see its arguments."""

import uuid
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field

from app.jobs.models import Status

# The prefix of all paths of the service, if it is behind a proxy that removes it.
root_path: ContextVar[str] = ContextVar("root_path", default="")


class JobRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    task: str = Field(description="Name of the task", examples=["send_welcome_email"])
    queue: str = Field(description="Name of the queue", examples=["default"])
    status: Status
    attempts: int = Field(description="Tries that have started", examples=[0])
    max_tries: int = Field(description="The job fails after so many tries", examples=[5])
    run_at: datetime = Field(description="The next try does not start earlier")
    created_at: datetime
    started_at: datetime | None = Field(description="Start of the last try", examples=[None])
    finished_at: datetime | None = Field(
        description="When it succeeded, failed for good or was cancelled", examples=[None]
    )
    error: str | None = Field(description="Why the last try failed", examples=[None])
    progress: int | None = Field(description="In percent, if the task reports it", examples=[None])
    progress_note: str | None = Field(description="What the task is doing", examples=[None])

    @computed_field(description="Path of the job")  # type: ignore[prop-decorator] # mypy does not support decorated properties
    @property
    def url(self) -> str:
        return f"{root_path.get()}/jobs/{self.id}"


class Failure(BaseModel):
    attempt: int
    started_at: datetime | None
    error: str


class PredecessorRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    predecessor_id: uuid.UUID = Field(description="A job that must end first")
    wanted: Status = Field(description="How it must end", examples=[Status.SUCCEEDED])


class JobDetails(JobRead):
    result: Any = Field(description="What the task has returned", examples=[None])
    failures: list[Failure] = Field(description="The last failed tries, the newest last")
    predecessors: list[PredecessorRead] = Field(description="Jobs that must end first")


class JobForOperators(JobRead):
    arguments: dict[str, Any] = Field(description="Those that identify what the job is about")
