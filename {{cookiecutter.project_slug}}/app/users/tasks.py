import base64
import hashlib
import hmac
import json
import ssl
import time
import uuid
from datetime import timedelta
from email.message import EmailMessage
from functools import cache

import httpx
from pydantic import EmailStr

from app import mail
from app.jobs import current_job_id, task
from app.settings import get_settings
from app.uow import UnitOfWork
from app.users.models import AuditEntry


@task()
async def write_audit_log(uow: UnitOfWork, event: str, subject: str) -> None:
    """Written exactly once: the entry is committed together with the job's success."""
    uow.session.add(AuditEntry(event=event, subject=subject))


@task(max_tries=8)
def send_welcome_email(email: EmailStr, full_name: str) -> None:
    message = EmailMessage()
    message["Message-ID"] = f"<{current_job_id()}@{get_settings().smtp_from.partition('@')[2]}>"
    message["From"] = get_settings().smtp_from
    message["To"] = email
    message["Subject"] = f"Welcome, {full_name}"
    message.set_content(f"Hello {full_name},\n\nyour account is ready.\n")
    mail.send(message)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """To read them takes many times longer than a request."""
    return httpx.create_ssl_context()


@task(max_tries=8, timeout=timedelta(seconds=15))
async def push_webhook(event: str, user_id: uuid.UUID, email: str, full_name: str) -> None:
    """Signed as the Standard Webhooks specification says; its id is the same in every try."""
    settings = get_settings()
    if settings.webhook_url is None or settings.webhook_secret is None:
        raise RuntimeError("WEBHOOK_URL is no longer set")
    body = json.dumps(
        {"event": event, "user_id": str(user_id), "email": email, "full_name": full_name}
    )
    job_id, sent_at = current_job_id(), str(int(time.time()))
    key = settings.webhook_secret.get_secret_value().encode()
    signature = hmac.digest(key, f"{job_id}.{sent_at}.{body}".encode(), hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": job_id,
        "Webhook-Timestamp": sent_at,
        "Webhook-Signature": f"v1,{base64.b64encode(signature).decode()}",
    }
    async with httpx.AsyncClient(verify=trusted_authorities(), timeout=10) as client:
        response = await client.post(str(settings.webhook_url), content=body, headers=headers)
    if not response.is_success:
        # An error of httpx would show the URL to clients, and receivers hide secrets in theirs.
        raise RuntimeError(f"the receiver answered {response.status_code}")
