"""Settings: environment variables, or lines of the file .env in development."""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl, quote, unquote

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

Kind = TypeVar("Kind", bound=BaseSettings)
Item = TypeVar("Item")

DRIVERS = {"sqlite": "aiosqlite", "postgres": "asyncpg", "postgresql": "asyncpg"}
URL_FILES = {"passfile", "sslcert", "sslcrl", "sslkey", "sslrootcert"}
MIN_SECRET_LENGTH = 16
# Words that a random secret hardly ever contains.
PLACEHOLDER = re.compile(
    "change|default|example|password|placeholder|random|replace|secret|your[-_ ]", re.IGNORECASE
)


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
    """`production` requires secrets and hosts, logs JSON, and does not migrate at the start."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Minimum log level: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    database_url: str = {% include cookiecutter.__database ~ "/url.py" %}
    """`postgresql://user:password@host/name`, or `sqlite:///file` if aiosqlite is installed."""

    database_pool_size: int = Field(default=15, ge=1)
    """Maximum number of connections per process. PostgreSQL allows 100 in all by default."""
    database_statement_seconds: float = Field(default=30, gt=0)
    """Maximum duration of a statement on PostgreSQL. Migrations are not limited."""

    ops_token: SecretStr | None = Field(default=None, examples=["change-me"])
    """Bearer token of operators. In development, their endpoints are public if it is not set."""
    api_token: SecretStr | None = Field(default=None, examples=["change-me-too"])
    """Bearer token for personal data. In development, its endpoints are public if it is not set."""

    trusted_hosts: Listed[Host] = Field(
        default=[], examples=["api.example.com, *.internal.example.com"]
    )
    """Allowed Host headers; `*.example.com` matches subdomains. Empty: any host."""
    cors_origins: Listed[Origin] = Field(default=[], examples=["https://app.example.com"])
    """Origins of the web pages that may call the service from a browser."""
    max_body_bytes: int = Field(default=2**20, ge=1)
    """Maximum size of a request body."""

    stop_delay_seconds: float = Field(default=1, ge=0)
    """How long to serve on after SIGTERM, so that load balancers notice that it is not ready."""

    smtp_host: str | None = Field(default=None, examples=["smtp.example.com"])
    """SMTP server. If it is not set, development writes mails to `.dev/mail/`."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """Port of the SMTP server."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """Encryption of the SMTP connection: `starttls`, `tls` or `none`."""
    smtp_user: str | None = None
    """User name for the SMTP server. If it is not set, the service does not log in."""
    smtp_password: SecretStr = SecretStr("")
    """Password of `SMTP_USER`."""
    smtp_from: EmailStr = "no-reply@example.com"
    """Sender of every mail."""

    webhook_url: HttpUrl | None = Field(default=None, examples=["https://example.com/hook"])
    """Receiver of webhooks. If it is not set, none are sent."""
    webhook_secret: SecretStr | None = Field(default=None, examples=["change+me+please"])
    """Signs the webhooks, in base64 (`openssl rand -base64 32`). Required for `WEBHOOK_URL`."""

    jobs_lease_seconds: float = Field(default=10, ge=1)
    """Time without a sign of life after which another process takes over a job."""
    jobs_relay_seconds: float = Field(default=1, gt=0)
    """Interval at which the relay looks for jobs that are due."""
    jobs_unknown_seconds: float = Field(default=300, ge=0)
    """How long a job waits for a process that knows its task and arguments, as during a deploy."""
    jobs_retention_days: int = Field(default=30, ge=1)
    """How long succeeded jobs are kept."""
    jobs_failed_retention_days: int = Field(default=365, ge=1)
    """How long failed jobs are kept. They can be retried until then."""

    @property
    def jobs_lease(self) -> timedelta:
        return timedelta(seconds=self.jobs_lease_seconds)

    @property
    def secrets(self) -> dict[str, SecretStr]:
        """The secrets that are set, by the names of their settings."""
        named = {
            "OPS_TOKEN": self.ops_token,
            "API_TOKEN": self.api_token,
            "WEBHOOK_SECRET": self.webhook_secret,
        }
        return {name: secret for name, secret in named.items() if secret}

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        scheme, _, place = value.partition("://")
        scheme = scheme.removesuffix("+aiosqlite").removesuffix("+asyncpg")
        if scheme not in DRIVERS or not place:
            raise ValueError("must begin with sqlite:// or postgresql://")
        if find_spec(DRIVERS[scheme]) is None:
            raise ValueError(f"run `uv add {DRIVERS[scheme]}` to use {scheme}://")
        if scheme == "sqlite":
            return f"{scheme}://{place}"
        # A password as it was given may have characters that end the host.
        if found := re.fullmatch(r"([^:/]*):([^@]*)@(.*)", place):
            user, password, place = found.groups()
            place = f"{user}:{quote(unquote(password), safe='')}@{place}"
        _check_url_parameters(place.partition("?")[2])
        return f"{scheme}://{place}"

    @field_validator("webhook_secret")
    @classmethod
    def _require_base64(cls, value: SecretStr | None) -> SecretStr | None:
        encoded = value.get_secret_value().removeprefix("whsec_") if value else ""
        try:
            base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError("must be base64") from None
        return value

    @model_validator(mode="after")
    def _require_what_is_needed(self) -> "Settings":
        required = {"webhook_secret"} if self.webhook_url else set()
        problems: list[str] = []
        if self.environment != "development":
            required |= {"database_url", "ops_token", "api_token", "trusted_hosts"}
            problems += self._unsafe_values()
        if missing := sorted(required - self.model_fields_set):
            problems.insert(0, f"{', '.join(missing).upper()} must be set")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unsafe_values(self) -> Iterator[str]:
        """One line for each. None of them shows a secret."""
        values = {name: secret.get_secret_value() for name, secret in self.secrets.items()}
        for name, value in values.items():
            is_short = len(value) < MIN_SECRET_LENGTH or len(set(value)) < MIN_SECRET_LENGTH / 3
            if is_short or PLACEHOLDER.search(value):
                yield f"{name} must have {MIN_SECRET_LENGTH} random characters or more"
        if len(set(values.values())) < len(values):
            yield f"{', '.join(values)} must differ"
        if "*" in self.trusted_hosts:
            yield "TRUSTED_HOSTS must not be *"


def _check_url_parameters(query: str) -> None:
    """What the driver or the server does not name clearly when it is used."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "ssl":
            raise ValueError(f"instead of ssl={value}, write sslmode=require")
        # asyncpg has no channel binding, and libpq needs none unless it is required.
        if (name, value) == ("channel_binding", "require"):
            instead = "sslmode=verify-full&sslrootcert=system"
            raise ValueError(f"instead of {name}={value}, write {instead}")
        if name == "connect_timeout" and not value.isdecimal():
            raise ValueError(f"{name} must be a number of seconds")
        if name in URL_FILES and value != "system" and not Path(value).is_file():
            raise ValueError(f"{name} must be a file: {value} is none")


def read(kind: type[Kind]) -> Kind:
    """Read settings from the environment. A wrong one ends the process with one line."""
    try:
        return kind()
    except ValidationError as error:
        problems = [
            ": ".join([*map(str.upper, map(str, found["loc"])), found["msg"]])
            for found in error.errors(include_input=False, include_url=False)
        ]
        text = "; ".join(problems).replace("Value error, ", "")
        raise SystemExit(f"Wrong settings: {text}") from None


@lru_cache
def get_settings() -> Settings:
    return read(Settings)
