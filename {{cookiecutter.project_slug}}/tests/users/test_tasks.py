"""Tasks: in a test, a task is a function. A real mail server or receiver is at the other end."""

import json
import smtplib
import uuid

import pytest
from standardwebhooks import Webhook

from app.database import Database
from app.jobs import unit_of_work
from app.telemetry import log
from app.users.models import AuditEntry
from app.users.tasks import push_webhook, send_welcome_email, write_audit_log
from tests.support.environment import Environ
from tests.support.receivers import MailServer, WebhookReceiver
from tests.support.rows import rows

USER_ID = uuid.uuid4()
HEADERS = {
    *("Message-ID", "From", "To", "Subject"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
}


async def test_the_audit_log_is_written(database: Database) -> None:
    async with unit_of_work(database) as uow:
        await write_audit_log(uow, "user_registered", "ada@example.com")
    [entry] = await rows(database, AuditEntry)
    assert (entry.event, entry.subject) == ("user_registered", "ada@example.com")


def test_the_welcome_mail_comes_from_the_service_and_carries_the_id_of_its_job(
    mail_server: MailServer, environ: Environ
) -> None:
    environ(SMTP_FROM="hello@example.org")
    with log.bound(log.job_id, "the-job"):
        send_welcome_email("ada@example.com", "Ada Lovelace")
    [message] = mail_server.messages
    assert (message["From"], message["To"]) == ("hello@example.org", "ada@example.com")
    assert message["Message-ID"] == "<the-job@example.org>"


@pytest.mark.parametrize(
    "name",
    ["Ada 愛 ", "Eve <eve@example.com>", "Ada, eve@example.com", "Bcc: eve@example.com", "A" * 200],
)
def test_the_welcome_mail_reaches_only_the_user_whatever_the_name(
    mail_server: MailServer, name: str
) -> None:
    send_welcome_email("ada@example.com", name)
    [message] = mail_server.messages
    assert mail_server.recipients == ["ada@example.com"]
    assert message["Subject"] == f"Welcome, {name}"
    assert {*message.keys()} == HEADERS
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
def test_a_welcome_mail_with_an_injected_header_is_not_sent(
    mail_server: MailServer, email: str, name: str
) -> None:
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        send_welcome_email(email, name)
    assert mail_server.arrived == 0


def test_a_refused_mail_is_a_failure(mail_server: MailServer) -> None:
    mail_server.fail()
    with pytest.raises(smtplib.SMTPDataError, match="not now"):
        send_welcome_email("ada@example.com", "Ada Lovelace")


async def test_a_webhook_is_signed_and_carries_the_id_of_its_job(
    webhook_receiver: WebhookReceiver,
) -> None:
    with log.bound(log.job_id, "the-job"):
        await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")
    [webhook] = webhook_receiver.webhooks
    assert webhook.path == "/hook"
    assert webhook.headers["Content-Type"] == "application/json"
    assert webhook.headers["Webhook-Id"] == "the-job"
    verified = Webhook(webhook_receiver.secret).verify(webhook.body, webhook.headers)
    assert verified == json.loads(webhook.body)
    assert verified == {
        "event": "user_registered",
        "user_id": str(USER_ID),
        "email": "ada@example.com",
        "full_name": "Ada Lovelace",
    }


async def test_a_refused_webhook_is_a_failure_whose_error_does_not_contain_the_url(
    webhook_receiver: WebhookReceiver,
) -> None:
    webhook_receiver.fail()
    with pytest.raises(RuntimeError, match=r"^the receiver answered 503$"):
        await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")


async def test_a_webhook_whose_url_is_no_longer_set_is_a_failure() -> None:
    with pytest.raises(RuntimeError, match="WEBHOOK_URL"):
        await push_webhook("user_registered", USER_ID, "ada@example.com", "Ada Lovelace")
