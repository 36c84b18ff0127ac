"""What may be set from outside: environment variables, or the file .env in development."""

from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    EmailStr,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.safety import faults_of

Kind = TypeVar("Kind", bound=BaseSettings)
Item = TypeVar("Item")

ASYNC_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}


def _split_at_commas(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Listed = Annotated[list[Item], NoDecode, BeforeValidator(_split_at_commas)]
Host = Annotated[
    str, StringConstraints(pattern=r"(?i)^(\*|(\*\.)?[a-z0-9._-]+|\[[0-9a-f:]+\])$", to_lower=True)
]
Origin = Annotated[str, StringConstraints(pattern=r"(?i)^(\*|https?://[^/\s]+)$", to_lower=True)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", use_attribute_docstrings=True
    )

    environment: Literal["development", "production"] = "development"
    """`production` migrates nothing by itself, logs JSON, and insists on what makes it safe."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`: this is logged, and what is graver."""
    database_url: str = {% include cookiecutter.__database ~ "/url.py" %}
    """`postgresql://user:password@host/name`, or `sqlite:///file` where aiosqlite is installed."""

    database_pool_size: int = Field(default=15, ge=1)
    """How many connections each process may have; PostgreSQL allows 100, unless told otherwise."""
    database_statement_seconds: float = Field(default=30, gt=0)
    """How long PostgreSQL may take for a statement; migrations are not limited."""

    ops_token: SecretStr | None = Field(default=None, examples=["change-me"])
    """The bearer token of operators. In development, what it guards is open while it is not set."""
    api_token: SecretStr | None = Field(default=None, examples=["change-me-too"])
    """The bearer token of those who may read users; likewise."""

    trusted_hosts: Listed[Host] = Field(
        default=[], examples=["api.example.com, *.internal.example.com"]
    )
    """By which names clients reach the service; `*` stands for any beginning. Not set: by any."""
    cors_origins: Listed[Origin] = Field(default=[], examples=["https://app.example.com"])
    """Which web sites may call it from their pages."""
    max_body_bytes: int = Field(default=2**20, ge=1)
    """A larger body is refused."""

    smtp_host: str | None = Field(default=None, examples=["smtp.example.com"])
    """While it is not set, mails are logged instead of sent."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """The port of the SMTP server."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How mails are kept secret on their way: `starttls`, `tls` or `none`."""
    smtp_user: str | None = None
    """Who logs in to the SMTP server; while it is not set, nobody does."""
    smtp_password: SecretStr = SecretStr("")
    """The password of `SMTP_USER`."""
    smtp_from: EmailStr = "no-reply@example.com"
    """The sender of every mail."""

    webhook_url: HttpUrl | None = Field(default=None, examples=["https://example.com/hook"])
    """While it is not set, no webhook is pushed."""
    webhook_secret: SecretStr | None = Field(default=None, examples=["change-me"])
    """Signs the webhooks, and is needed for them."""

    jobs_lease_seconds: float = Field(default=10, ge=1)
    """For how long one process may hold a job without a sign of life."""
    jobs_relay_seconds: float = Field(default=1, gt=0)
    """How often the relay looks for jobs to send."""
    jobs_retention_days: int = Field(default=30, ge=1)
    """For how long jobs are remembered that have succeeded."""
    jobs_failed_retention_days: int = Field(default=365, ge=1)
    """For how long jobs are remembered that have failed, and can be retried."""

    @property
    def jobs_lease(self) -> timedelta:
        return timedelta(seconds=self.jobs_lease_seconds)

    @property
    def secrets(self) -> dict[str, SecretStr]:
        """What lets somebody in, or proves that it is us, as far as it is set."""
        named = {
            "OPS_TOKEN": self.ops_token,
            "API_TOKEN": self.api_token,
            "WEBHOOK_SECRET": self.webhook_secret,
        }
        return {name: secret for name, secret in named.items() if secret}

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
    def _refuse_what_is_missing_or_unsafe(self) -> "Settings":
        faults: list[str] = []
        needed = {"webhook_secret"} if self.webhook_url else set()
        if self.environment != "development":
            needed |= {"database_url", "ops_token", "api_token", "trusted_hosts"}
            faults += faults_of(self.secrets, self.trusted_hosts)
        if missing := sorted(needed - self.model_fields_set):
            faults.insert(0, f"{', '.join(missing).upper()} must be set")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def read(kind: type[Kind]) -> Kind:
    """The settings as the environment has them; a wrong one ends the start with one line."""
    try:
        return kind()
    except ValidationError as error:
        problems = (
            ": ".join([*(str(name).upper() for name in found["loc"]), plain(found["msg"])])
            for found in error.errors(include_input=False, include_url=False)
        )
        raise SystemExit(f"Wrong settings: {'; '.join(problems)}") from None


@lru_cache
def get_settings() -> Settings:
    return read(Settings)
