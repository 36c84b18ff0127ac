"""What a client may see of a job: never its arguments."""

import uuid
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, computed_field

from app.jobs.models import Status
from app.paging import Paging


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

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def url(self) -> str:
        return f"/jobs/{self.id}"


class JobFilter(Paging):
    status: Status | None = None
    task: str | None = Field(default=None, pattern=r"^\w+$")
