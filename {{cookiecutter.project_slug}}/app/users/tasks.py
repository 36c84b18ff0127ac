import json
import ssl
import uuid
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache

import httpx
from standardwebhooks import Webhook

from app import mail
from app.jobs import UnitOfWork, current_job_id, task
from app.settings import get_settings
from app.users.models import AuditEntry


@task()
async def write_audit_log(uow: UnitOfWork, event: str, subject: str) -> None:
    """Happens exactly once: the entry is committed together with the success of the job."""
    uow.session.add(AuditEntry(event=event, subject=subject))


@task(max_tries=8)
def send_welcome_email(email: str, full_name: str) -> None:
    message = EmailMessage()
    message["Message-ID"] = f"<{current_job_id()}@{get_settings().smtp_from.partition('@')[2]}>"
    message["From"] = get_settings().smtp_from
    message["To"] = email
    message["Subject"] = f"Welcome, {full_name}"
    message.set_content(f"Hello {full_name},\n\nyour account is ready.\n")
    mail.send(message)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Reading them takes much longer than a request."""
    return httpx.create_ssl_context()


@task(max_tries=8, timeout=timedelta(seconds=15))
async def push_webhook(event: str, user_id: uuid.UUID, email: str, full_name: str) -> None:
    """A Standard Webhook. Its id is the same in every try, so receivers can deduplicate."""
    settings = get_settings()
    if settings.webhook_url is None or settings.webhook_secret is None:
        raise RuntimeError("WEBHOOK_URL is no longer set")
    body = json.dumps(
        {"event": event, "user_id": str(user_id), "email": email, "full_name": full_name}
    )
    job_id, sent_at = current_job_id(), datetime.now(UTC)
    signer = Webhook(settings.webhook_secret.get_secret_value())
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": job_id,
        "Webhook-Timestamp": str(int(sent_at.timestamp())),
        "Webhook-Signature": signer.sign(job_id, sent_at, body),
    }
    async with httpx.AsyncClient(verify=trusted_authorities(), timeout=10) as client:
        response = await client.post(str(settings.webhook_url), content=body, headers=headers)
    if not response.is_success:
        # An error of httpx contains the URL, and the URL of a receiver may contain a secret.
        raise RuntimeError(f"the receiver answered {response.status_code}")
