"""What a client sees of a job: never its arguments."""

import uuid
from datetime import datetime

from pydantic import BaseModel, ConfigDict, computed_field

from app.jobs.models import Status


class JobRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    task: str
    status: Status
    attempts: int
    max_tries: int
    after_id: uuid.UUID | None
    run_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None

    @computed_field  # type: ignore[prop-decorator] # mypy does not support decorated properties
    @property
    def url(self) -> str:
        return f"/jobs/{self.id}"
