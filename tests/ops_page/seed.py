"""Fills the database: an hour of finished jobs, failures, and jobs in every other state.

python -m app.shop.seed [FAILURES] [WAITING]
python -m app.shop.seed one_failure
"""

import asyncio
import random
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from app.database import Base, open_database, utc_now
from app.database.migrations import migrate
from app.jobs import Job, Status
from app.jobs.models import Schedule
from app.jobs.schedule import next_after
from app.settings import get_settings
from app.shop.tasks import charge_card, import_orders, render_report, send_digest, send_invoice
from app.users.tasks import write_audit_log

ERRORS = (
    "GiveUp: 402 Payment Required: the bank declined order {}",
    "ConnectError: cannot connect to bank.example:443",
    "TimeoutError: timed out after 30 s",
)


def ended(job: Job, minutes: float, status: Status, **values: Any) -> Job:
    job.created_at = utc_now() - timedelta(minutes=minutes)
    job.run_at, job.status, job.attempts = job.created_at, status, 1
    job.started_at = job.created_at + timedelta(seconds=0.2)
    job.finished_at = job.started_at + timedelta(seconds=random.uniform(0.1, 3))
    for name, value in values.items():
        setattr(job, name, value)
    return job


def failed(minutes: float, error: str | None = None) -> Job:
    order = uuid4()
    error = error or random.choices(ERRORS, (6, 3, 1))[0].format(order)
    job = ended(charge_card.job(order, "4111"), minutes, Status.FAILED, attempts=1, error=error)
    begun = str(job.started_at)
    job.failures = [{"attempt": 1, "started_at": begun, "error": error}]
    return job


def history(failures: int, waiting: int) -> Iterator[Base]:
    for minute in range(60):
        for _ in range(random.randint(10, 22)):
            at = minute + random.random()
            task = random.choice([send_invoice, send_invoice, write_audit_log])
            arguments = (uuid4(), "ada@example.com") if task is send_invoice else ("paid", "ada")
            yield ended(task.job(*arguments), at, Status.SUCCEEDED)
    for number in range(failures):
        yield failed(random.uniform(2, 26 if failures > 100 else 55) if number else 1.5)
    for _ in range(waiting):
        job = import_orders.job("orders.csv")
        job.created_at = job.run_at = utc_now() - timedelta(minutes=random.uniform(1, 14))
        # It is sent, and no worker takes it.
        job.lease_until = utc_now() + timedelta(days=1)
        yield job
    later = send_invoice.options(delay=timedelta(hours=3)).job(uuid4(), "ada@example.com")
    follower = write_audit_log.options(after=later).job("sent", "ada")
    yield from (later, follower)
    digest = ended(send_digest.job(), 55, Status.SUCCEEDED)
    next_at = next_after(str(send_digest.rule), utc_now())
    yield digest
    yield Schedule(
        task="send_digest", rule=str(send_digest.rule), next_at=next_at, job_id=digest.id
    )
    running = render_report.job(2025)
    running.status, running.attempts, running.started_at = Status.RUNNING, 1, utc_now()
    running.started_at -= timedelta(minutes=3)
    running.lease_until = utc_now() + timedelta(days=1)
    running.progress, running.progress_note = 42, "page 42 of 100"
    yield running


async def store(rows: Iterable[Base]) -> None:
    await migrate()
    url = get_settings().database_url
    async with open_database(url) as database, database.write.begin() as session:
        session.add_all(rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["one_failure"]:
        asyncio.run(store([failed(0, "ValueError: it has just failed")]))
    else:
        random.seed(1)
        failures, waiting = map(int, sys.argv[1:] or (37, 4))
        asyncio.run(store(history(failures, waiting)))
