"""Sending mail: encryption, and what happens without a mail server."""

import logging
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme

from app import mail
from tests.platform.data import PRODUCTION
from tests.support.environment import Environ
from tests.support.receivers import running_mail_server

MESSAGE = EmailMessage()
MESSAGE["From"] = "service@example.com"
MESSAGE["To"] = "ada@example.com"
MESSAGE["Subject"] = "Hello"


@pytest.fixture
def tls(environ: Environ, tmp_path: Path) -> ssl.SSLContext:
    """The certificate of a server that the service trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environ(SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_mail_is_encrypted_before_the_login(tls: ssl.SSLContext, environ: Environ) -> None:
    with running_mail_server(starttls=tls) as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port))
        environ(SMTP_USER="service", SMTP_PASSWORD="secret")
        mail.send(MESSAGE)
    assert server.was_encrypted
    assert server.logins == [("service", "secret")]
    assert len(server.messages) == 1


def test_mail_can_be_encrypted_from_the_first_byte(tls: ssl.SSLContext, environ: Environ) -> None:
    with running_mail_server(tls=tls) as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), SMTP_SECURITY="tls")
        mail.send(MESSAGE)
    assert server.was_encrypted
    assert len(server.messages) == 1


def test_mail_is_not_sent_to_a_server_with_an_untrusted_certificate(
    tls: ssl.SSLContext, environ: Environ, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "another-ca.pem")
    with running_mail_server(starttls=tls) as server:
        environ(SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port))
        environ(SSL_CERT_FILE=str(tmp_path / "another-ca.pem"))
        with pytest.raises(ssl.SSLCertVerificationError):
            mail.send(MESSAGE)
    assert server.messages == []


def test_development_without_a_mail_server_writes_mails_to_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, mail.__name__):
        mail.send(MESSAGE)
    [file] = (tmp_path / ".dev" / "mail").iterdir()
    assert caplog.messages == [f"SMTP_HOST is not set: mail written to .dev/mail/{file.name}"]
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Hello")


def test_production_without_a_mail_server_warns_that_a_mail_was_not_sent(
    environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(**{**PRODUCTION, "WEBHOOK_SECRET": ""})
    with caplog.at_level(logging.WARNING, mail.__name__):
        mail.send(MESSAGE)
    assert caplog.messages == ["SMTP_HOST is not set: mail to a***@example.com was not sent"]
