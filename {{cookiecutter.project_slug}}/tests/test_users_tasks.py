"""Tasks are functions: called here as such, with a real receiver at the other end."""

import json
import logging
import smtplib
import ssl
import uuid
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import trustme
from standardwebhooks import Webhook

from app.database import Database
from app.jobs import unit_of_work
from app.telemetry import log
from app.users.models import AuditEntry
from app.users.tasks import push_webhook, send_welcome_email, write_audit_log
from tests.conftest import Environ
from tests.receivers import (
    MailServer,
    WebhookReceiver,
    running_mail_server,
    running_webhook_receiver,
)
from tests.rows import rows
from tests.test_settings import PRODUCTION

USER_ID = uuid.uuid4()
WEBHOOK_SECRET = "whsec_c2VjcmV0"  # noqa: S105 - known to this test only
USUAL_HEADERS = {
    *("Message-ID", "From", "To", "Subject"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
}


@pytest.fixture
def mail_server(environ: Environ) -> Iterator[MailServer]:
    with running_mail_server() as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="none")
        yield server


@pytest.fixture
def webhook_receiver(environ: Environ) -> Iterator[WebhookReceiver]:
    with running_webhook_receiver() as receiver:
        environ(WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=WEBHOOK_SECRET)
        yield receiver


@pytest.fixture
def tls(environ: Environ, tmp_path: Path) -> ssl.SSLContext:
    """What a server needs to be trusted by this test's service."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environ(SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_the_audit_log_is_written(database: Database) -> None:
    async with unit_of_work(database) as uow:
        await write_audit_log(uow, "user_registered", "ada@example.com")
    [entry] = await rows(database, AuditEntry)
    assert (entry.event, entry.subject) == ("user_registered", "ada@example.com")


def test_the_welcome_is_a_mail(mail_server: MailServer, environ: Environ) -> None:
    environ(SMTP_FROM="hello@example.org")
    send_welcome_email("ada@example.com", "Ada Lovelace")
    [message] = mail_server.messages
    assert message["From"] == "hello@example.org"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Welcome, Ada Lovelace"
    assert message.get_content().splitlines()[0] == "Hello Ada Lovelace,"


def test_a_name_in_any_script_arrives_as_it_is(mail_server: MailServer) -> None:
    send_welcome_email("ada@example.com", "Адá 愛 🙂")
    [message] = mail_server.messages
    assert message["Subject"] == "Welcome, Адá 愛 🙂"
    assert message.get_content().splitlines()[0] == "Hello Адá 愛 🙂,"


@pytest.mark.parametrize(
    "name", ["Eve <eve@example.com>", "Ada, eve@example.com", "Bcc: eve@example.com", "." * 200]
)
def test_a_mail_reaches_nobody_but_the_user_whatever_the_name(
    mail_server: MailServer, name: str
) -> None:
    send_welcome_email("ada@example.com", name)
    [message] = mail_server.messages
    assert mail_server.recipients == ["ada@example.com"]
    assert message["Subject"] == f"Welcome, {name}"
    assert {*message.keys()} == USUAL_HEADERS
    assert message.get_content().splitlines()[0] == f"Hello {name},"


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("ada@example.com", "Ada\r\nBcc: eve@example.com"),
        ("ada@example.com", "Ada\nBcc: eve@example.com"),
        ("ada@example.com\r\nBcc: eve@example.com", "Ada"),
        ("ada@example.com>\r\nRCPT TO:<eve@example.com", "Ada"),
    ],
)
def test_a_mail_with_a_header_too_many_is_not_sent(
    mail_server: MailServer, email: str, name: str
) -> None:
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        send_welcome_email(email, name)
    assert mail_server.arrived == 0


def test_every_try_of_a_mail_has_the_message_id_of_the_job(
    mail_server: MailServer, environ: Environ
) -> None:
    environ(SMTP_FROM="hello@example.org")
    for _ in range(2):
        with log.bound(log.job_id, "the-job"):
            send_welcome_email("ada@example.com", "Ada Lovelace")
    assert [message["Message-ID"] for message in mail_server.messages] == [
        "<the-job@example.org>"
    ] * 2


def test_mail_is_encrypted_before_the_login(tls: ssl.SSLContext, environ: Environ) -> None:
    with running_mail_server(starttls=tls) as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port))
        environ(SMTP_USER="service", SMTP_PASSWORD="secret")
        send_welcome_email("ada@example.com", "Ada Lovelace")
    assert server.was_encrypted
    assert server.logins == [("service", "secret")]
    assert len(server.messages) == 1


def test_mail_can_be_encrypted_from_the_first_byte(tls: ssl.SSLContext, environ: Environ) -> None:
    with running_mail_server(tls=tls) as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="tls")
        send_welcome_email("ada@example.com", "Ada Lovelace")
    assert server.was_encrypted
    assert len(server.messages) == 1


def test_mail_is_not_sent_to_a_server_that_nobody_vouches_for(
    tls: ssl.SSLContext, environ: Environ, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "another-ca.pem")
    with running_mail_server(starttls=tls) as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port))
        environ(SSL_CERT_FILE=str(tmp_path / "another-ca.pem"))
        with pytest.raises(ssl.SSLCertVerificationError):
            send_welcome_email("ada@example.com", "Ada Lovelace")
    assert server.messages == []


def test_a_mail_that_is_refused_is_a_failure(mail_server: MailServer) -> None:
    mail_server.fail()
    with pytest.raises(smtplib.SMTPDataError, match="not now"):
        send_welcome_email("ada@example.com", "Ada Lovelace")


def test_development_without_a_mail_server_writes_mails_to_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.mail"):
        send_welcome_email("ada@example.com", "Ada Lovelace")
    [file] = (tmp_path / ".dev" / "mail").iterdir()
    assert caplog.messages == [f"SMTP_HOST is not set: mail written to .dev/mail/{file.name}"]
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Welcome, Ada Lovelace")


def test_production_without_a_mail_server_warns_that_a_mail_was_not_sent(
    environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(**{**PRODUCTION, "WEBHOOK_SECRET": ""})
    with caplog.at_level(logging.WARNING, "app.mail"):
        send_welcome_email("ada@example.com", "Ada Lovelace")
    assert caplog.messages == ["SMTP_HOST is not set: mail to a***@example.com was not sent"]


async def test_a_webhook_says_what_has_happened(webhook_receiver: WebhookReceiver) -> None:
    await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")
    [webhook] = webhook_receiver.webhooks
    assert webhook.path == "/hook"
    assert webhook.headers["Content-Type"] == "application/json"
    assert json.loads(webhook.body) == {
        "event": "user_registered",
        "user_id": str(USER_ID),
        "email": "ada@example.com",
        "full_name": "Ada Lovelace",
    }


async def test_a_webhook_is_signed_with_its_id_and_its_time(
    webhook_receiver: WebhookReceiver,
) -> None:
    with log.bound(log.job_id, "the-job"):
        await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")
    [webhook] = webhook_receiver.webhooks
    assert webhook.headers["Webhook-Id"] == "the-job"
    assert Webhook(WEBHOOK_SECRET).verify(webhook.body, webhook.headers)["event"]


async def test_a_webhook_that_is_refused_is_a_failure_that_does_not_tell_the_url(
    webhook_receiver: WebhookReceiver,
) -> None:
    webhook_receiver.fail()
    with pytest.raises(RuntimeError, match=r"^the receiver answered 503$"):
        await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")


async def test_a_webhook_whose_url_is_no_longer_set_is_a_failure() -> None:
    with pytest.raises(RuntimeError, match="WEBHOOK_URL"):
        await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")
