"""Sends a message by SMTP, or logs that it would, where no SMTP server is set."""

import logging
import smtplib
import ssl
from email.message import EmailMessage

from app.settings import Settings, get_settings

logger = logging.getLogger(__name__)

SECONDS = 10


def send(message: EmailMessage) -> None:
    settings = get_settings()
    if settings.smtp_host is None:
        logger.info("no SMTP_HOST, so nobody sends this mail to %s", masked(message["To"]))
        return
    with _connect(settings) as server:
        if settings.smtp_security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        server.send_message(message)


def _connect(settings: Settings) -> smtplib.SMTP:
    host, port = str(settings.smtp_host), settings.smtp_port
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, timeout=SECONDS)


def masked(address: str) -> str:
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"
