"""What may be set from outside: environment variables, or the file .env in development."""

from datetime import timedelta
from functools import lru_cache
from typing import Literal, TypeVar

from pydantic import (
    EmailStr,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

Kind = TypeVar("Kind", bound=BaseSettings)

ASYNC_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    environment: Literal["development", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    database_url: str = {% include cookiecutter.__database ~ "/url.py" %}

    # The bearer token that opens the list of jobs and their retry.
    ops_token: SecretStr | None = None

    # Without a host, messages are logged instead of sent.
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr = SecretStr("")
    smtp_from: EmailStr = "no-reply@example.com"

    # Without a URL, no webhook is pushed.
    webhook_url: HttpUrl | None = None
    webhook_secret: SecretStr | None = None

    # For how long one process may hold a job without a sign of life.
    jobs_lease_seconds: float = Field(default=10, ge=1)
    # How often the relay looks for jobs to send.
    jobs_relay_seconds: float = Field(default=1, gt=0)

    @property
    def jobs_lease(self) -> timedelta:
        return timedelta(seconds=self.jobs_lease_seconds)

    @field_validator("database_url")
    @classmethod
    def _use_async_driver(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError("not a database URL") from None
        driver = ASYNC_DRIVERS.get(url.drivername, url.drivername)
        if driver not in ASYNC_DRIVERS.values():
            raise ValueError("must begin with sqlite:// or postgresql://")
        return url.set(drivername=driver).render_as_string(hide_password=False)

    @model_validator(mode="after")
    def _name_what_is_missing(self) -> "Settings":
        needed = {"webhook_secret"} if self.webhook_url else set()
        if self.environment != "development":
            needed |= {"database_url", "ops_token"}
        if missing := sorted(needed - self.model_fields_set):
            raise ValueError(f"{', '.join(missing).upper()} must be set")
        return self


def read(kind: type[Kind]) -> Kind:
    """The settings as the environment has them; a wrong one ends the start with one line."""
    try:
        return kind()
    except ValidationError as error:
        problems = (
            ": ".join([*(str(name).upper() for name in found["loc"]), found["msg"]])
            for found in error.errors(include_input=False, include_url=False)
        )
        raise SystemExit(f"Wrong settings: {'; '.join(problems)}") from None


@lru_cache
def get_settings() -> Settings:
    return read(Settings)
