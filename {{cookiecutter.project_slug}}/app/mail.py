"""Sends a mail by SMTP. In development without an SMTP server, writes it to a file."""

import logging
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from app.settings import Settings, get_settings

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10
DEVELOPMENT_MAILS = Path(".dev/mail")


def send(message: EmailMessage) -> None:
    settings = get_settings()
    if settings.smtp_host is not None:
        with _connect(settings) as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.send_message(message)
    elif settings.environment == "development":
        logger.info("SMTP_HOST is not set: mail written to %s", _write(message))
    else:
        logger.warning("SMTP_HOST is not set: mail to %s was not sent", masked(message["To"]))


def _connect(settings: Settings) -> smtplib.SMTP:
    host, port = str(settings.smtp_host), settings.smtp_port
    if settings.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)


def _write(message: EmailMessage) -> Path:
    DEVELOPMENT_MAILS.mkdir(parents=True, exist_ok=True)
    path = DEVELOPMENT_MAILS / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S-%f}.eml"
    path.write_bytes(message.as_bytes())
    return path


def masked(address: str) -> str:
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"
