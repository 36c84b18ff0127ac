"""What a client sees of a job: never its arguments."""

import uuid
from contextvars import ContextVar
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, computed_field

from app.jobs.models import Status

# The prefix of all paths of the service, if it is behind a proxy that removes it.
root_path: ContextVar[str] = ContextVar("root_path", default="")


class JobRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    task: str = Field(description="Name of the task", examples=["send_welcome_email"])
    status: Status
    attempts: int = Field(description="Tries that have started", examples=[0])
    max_tries: int = Field(description="The job fails after so many tries", examples=[5])
    after_id: uuid.UUID | None = Field(description="Job that must succeed first", examples=[None])
    run_at: datetime = Field(description="The next try does not start earlier")
    created_at: datetime
    started_at: datetime | None = Field(description="Start of the last try", examples=[None])
    finished_at: datetime | None = Field(
        description="When it succeeded, or failed for good", examples=[None]
    )
    error: str | None = Field(description="Why the last try failed", examples=[None])

    @computed_field(description="Path of the job")  # type: ignore[prop-decorator] # mypy does not support decorated properties
    @property
    def url(self) -> str:
        return f"{root_path.get()}/jobs/{self.id}"
