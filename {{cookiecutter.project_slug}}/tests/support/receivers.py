"""A mail server and a receiver of webhooks. A test can make them fail or wait."""

import asyncio
import logging
import math
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_bytes

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port

HELD_AT_MOST_SECONDS = 60

logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd logs every line


@dataclass
class Receiver:
    """Counts what arrives. It fails, or holds it back, for as long as the test wants."""

    port: int = 0
    arrived: int = 0
    failures_to_come: float = 0
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def reset(self) -> None:
        self.release()
        self.fail(times=0)
        self.arrived = 0

    def hold(self) -> None:
        self.may_go_on.clear()

    def release(self) -> None:
        self.may_go_on.set()

    def fail(self, times: float = math.inf) -> None:
        self.failures_to_come = times

    def accepts(self) -> bool:
        self.arrived += 1
        self.may_go_on.wait(HELD_AT_MOST_SECONDS)
        self.failures_to_come -= 1
        return self.failures_to_come < 0


@dataclass
class MailServer(Receiver):
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    was_encrypted: bool = False

    def reset(self) -> None:
        super().reset()
        self.messages.clear()
        self.recipients.clear()

    def log_in(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=True)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if not await asyncio.to_thread(self.accepts):
            return "451 not now"
        transport = server.transport
        self.was_encrypted = bool(transport and transport.get_extra_info("ssl_object"))
        content = envelope.original_content or b""
        message = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
        self.messages.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 taken"


@dataclass
class Webhook:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebhookReceiver(Receiver):
    webhooks: list[Webhook] = field(default_factory=list)
    secret: str = f"whsec_{b64encode(token_bytes(32)).decode()}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def reset(self) -> None:
        super().reset()
        self.webhooks.clear()


@contextmanager
def running_mail_server(
    starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[MailServer]:
    mail_server = MailServer(port=free_port())
    controller = Controller(
        mail_server,
        hostname="127.0.0.1",
        port=mail_server.port,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=mail_server.log_in,
        auth_required=starttls is not None,
        auth_require_tls=tls is None,
    )
    controller.start()
    try:
        yield mail_server
    finally:
        mail_server.release()
        controller.stop()


@contextmanager
def running_webhook_receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_accepted = receiver.accepts()
            if is_accepted:
                receiver.webhooks.append(Webhook(self.path, dict(self.headers), body))
            self.send_response(204 if is_accepted else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Some tests kill the client."""

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.release()
            server.shutdown()
            thread.join()
