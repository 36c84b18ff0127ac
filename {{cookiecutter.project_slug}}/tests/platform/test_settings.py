"""Settings, and what production refuses."""

import re
import secrets
import uuid
from collections.abc import Callable

import pytest

from app.settings import DRIVERS, Settings, get_settings
from scripts.settings import EXAMPLE, OPERATIONS, fields, table
from scripts.settings import example as settings_example
from tests.platform.data import PRODUCTION
from tests.support.environment import Environ


def example() -> dict[str, str]:
    """What .env.example says, whether it is commented out or not."""
    return dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def error() -> str:
    with pytest.raises(SystemExit) as stopped:
        get_settings()
    return str(stopped.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_URL", "somewhere"),
        ("DATABASE_URL", "mysql://user:password@host/name"),
        ("DATABASE_URL", "postgresql+psycopg2://user:password@host/name"),
        ("SMTP_PORT", "0"),
        ("SMTP_PORT", "many"),
        ("SMTP_SECURITY", "maybe"),
        ("SMTP_FROM", "nobody"),
        ("WEBHOOK_URL", "receiver"),
        ("TRUSTED_HOSTS", "https://api.example.com"),
        ("TRUSTED_HOSTS", "api.example.com:8000"),
        ("TRUSTED_HOSTS", "api.*.example.com"),
        ("TRUSTED_HOSTS", "api.example.com,"),
        ("CORS_ORIGINS", "app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/"),
        ("MAX_BODY_BYTES", "0"),
        ("JOBS_LEASE_SECONDS", "0"),
        ("JOBS_RELAY_SECONDS", "0"),
        ("JOBS_RELAY_SECONDS", "-1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(environ: Environ, name: str, value: str) -> None:
    environ(**{name: value})
    message = error()
    assert message.startswith(f"Wrong settings: {name}: ")
    assert "\n" not in message


def test_every_wrong_setting_is_named_at_once(environ: Environ) -> None:
    environ(SMTP_PORT="0", LOG_LEVEL="loud")
    assert {"SMTP_PORT", "LOG_LEVEL"} <= set(error().replace(":", "").split())


def test_an_error_does_not_show_the_value(environ: Environ) -> None:
    environ(DATABASE_URL="mysql://user:hunter2@host/name", SMTP_PORT="hunter2")
    assert "hunter2" not in error()


def test_secrets_are_not_shown(environ: Environ) -> None:
    environ(OPS_TOKEN="hunter2", SMTP_PASSWORD="hunter2", WEBHOOK_SECRET="hunter22")
    settings = get_settings()
    assert settings.ops_token is not None
    assert settings.ops_token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("missing", ["API_TOKEN", "DATABASE_URL", "OPS_TOKEN", "TRUSTED_HOSTS"])
def test_production_requires_what_has_no_safe_default(environ: Environ, missing: str) -> None:
    environ(**{**PRODUCTION, missing: ""})
    assert error().endswith(f"{missing} must be set")


def test_production_starts_with_what_it_requires(environ: Environ) -> None:
    environ(**PRODUCTION)
    assert get_settings().environment == "production"


def test_production_names_everything_that_is_missing(environ: Environ) -> None:
    environ(ENVIRONMENT="production")
    assert error().endswith("API_TOKEN, DATABASE_URL, OPS_TOKEN, TRUSTED_HOSTS must be set")


@pytest.mark.parametrize("name", ["OPS_TOKEN", "API_TOKEN"])
@pytest.mark.parametrize(
    "secret",
    [
        "k9#fQ2",
        "x" * 40,
        "0123012301230123",
        "change-me-please-now",
        "a-long-random-text",
        "CHANGEME-CHANGEME",
        "my-password-for-operators",
        "our-secret-is-out",
        "your-token-goes-here",
    ],
)
def test_production_refuses_a_secret_that_can_be_guessed(
    environ: Environ, name: str, secret: str
) -> None:
    environ(**{**PRODUCTION, name: secret})
    assert error().endswith(f"{name} must have 16 random characters or more")


@pytest.mark.parametrize(
    "make", [secrets.token_hex, secrets.token_urlsafe, lambda: str(uuid.uuid4())]
)
def test_production_accepts_random_secrets(environ: Environ, make: Callable[[], str]) -> None:
    environ(**{**PRODUCTION, "OPS_TOKEN": make(), "API_TOKEN": make()})
    assert get_settings().environment == "production"


@pytest.mark.parametrize("name", ["API_TOKEN", "WEBHOOK_SECRET"])
def test_production_refuses_the_same_secret_for_two_settings(environ: Environ, name: str) -> None:
    environ(**{**PRODUCTION, name: PRODUCTION["OPS_TOKEN"]})
    assert error().endswith("OPS_TOKEN, API_TOKEN, WEBHOOK_SECRET must differ")


@pytest.mark.parametrize("hosts", ["*", "api.example.com, *"])
def test_production_refuses_to_trust_every_host(environ: Environ, hosts: str) -> None:
    environ(**{**PRODUCTION, "TRUSTED_HOSTS": hosts})
    assert error().endswith("TRUSTED_HOSTS must not be *")


@pytest.mark.parametrize("name", ["OPS_TOKEN", "API_TOKEN", "WEBHOOK_SECRET"])
def test_production_refuses_the_secrets_of_the_example(environ: Environ, name: str) -> None:
    environ(**{**PRODUCTION, name: example()[name]})
    assert error().endswith(f"{name} must have 16 random characters or more")


def test_lists_are_separated_by_commas(environ: Environ) -> None:
    environ(TRUSTED_HOSTS="API.example.com, *.example.com,[::1]")
    environ(CORS_ORIGINS="https://app.example.com, http://localhost:3000")
    settings = get_settings()
    assert settings.trusted_hosts == ["api.example.com", "*.example.com", "[::1]"]
    assert settings.cors_origins == ["https://app.example.com", "http://localhost:3000"]


@pytest.mark.parametrize("secret", ["not base64!", "abc", "whsec_abc"])
def test_the_secret_of_webhooks_must_be_base64(environ: Environ, secret: str) -> None:
    environ(WEBHOOK_SECRET=secret)
    assert error() == "Wrong settings: WEBHOOK_SECRET: must be base64"


def test_a_webhook_needs_a_secret(environ: Environ) -> None:
    environ(WEBHOOK_URL="https://receiver.test/hook")
    assert error() == "Wrong settings: WEBHOOK_SECRET must be set"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://user:p%40ss@host/name", "postgres://user:p%40ss@host/name"),
        ("postgresql+asyncpg://host/name", "postgresql://host/name"),
        ("postgresql://user:/?#%@host/name", "postgresql://user:%2F%3F%23%25@host/name"),
    ],
)
def test_a_database_url_is_completed(environ: Environ, given: str, used: str) -> None:
    environ(DATABASE_URL=given)
    assert get_settings().database_url == used


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user:password@host:5432/name",
        "postgresql://host/name?sslmode=require",
        "postgresql://host/name?sslmode=verify-full&sslrootcert=system",
        "postgresql://host/name?sslmode=require&channel_binding=prefer&connect_timeout=10",
        "postgresql://host/name?application_name=shop&options=-c%20search_path%3Dshop",
        "postgresql://one:5432,two:5433/name?target_session_attrs=read-write",
        "postgresql://user:password@/name?host=/cloudsql/project:region:instance",
        "postgresql://host:6543/name?pgbouncer=true",
    ],
)
def test_a_database_url_of_a_provider_is_accepted(environ: Environ, url: str) -> None:
    environ(DATABASE_URL=url)
    assert get_settings().database_url == url


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("ssl=true", "instead of ssl=true, write sslmode=require"),
        (
            "channel_binding=require",
            "instead of channel_binding=require, write sslmode=verify-full&sslrootcert=system",
        ),
        ("connect_timeout=soon", "connect_timeout must be a number of seconds"),
        ("sslrootcert=missing.pem", "sslrootcert must be a file: missing.pem is none"),
    ],
)
def test_a_database_url_that_cannot_be_used_says_what_to_write(
    environ: Environ, query: str, advice: str
) -> None:
    environ(DATABASE_URL=f"postgresql://host/name?sslmode=require&{query}")
    assert error() == f"Wrong settings: DATABASE_URL: {advice}"


def test_a_missing_driver_is_named(environ: Environ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DRIVERS, "postgresql", "missing_driver")
    environ(DATABASE_URL="postgresql://host/name")
    advice = "run `uv add missing_driver` to use postgresql://"
    assert error() == f"Wrong settings: DATABASE_URL: {advice}"


def test_the_environment_takes_precedence_over_the_env_file(environ: Environ) -> None:
    with open(".env", "w") as file:  # noqa: PTH123 - beside the process, where it is looked for
        file.write("LOG_LEVEL=DEBUG\nSMTP_HOST=from.file\nSOMETHING_ELSE=1\n")
    environ(LOG_LEVEL="ERROR")
    settings = get_settings()
    assert (settings.log_level, settings.smtp_host) == ("ERROR", "from.file")


def test_every_setting_is_described() -> None:
    assert [name for name, field in fields() if not field.description] == []


def test_the_table_of_settings_is_up_to_date() -> None:
    assert table() in OPERATIONS.read_text(encoding="utf-8"), "run `make settings`"


def test_the_example_is_up_to_date() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == settings_example(), "run `make settings`"


def test_the_example_is_valid(environ: Environ) -> None:
    environ(**example())
    assert set(get_settings().model_fields_set) >= {
        name.lower()
        for name, value in example().items()
        if value and name.lower() in Settings.model_fields
    }
