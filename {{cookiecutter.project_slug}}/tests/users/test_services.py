"""Services: what they store, and what they enqueue."""

import pytest

from app.database import Database
from app.errors import Conflict
from app.jobs import Job, UnitOfWork, unit_of_work
from app.users import services
from app.users.models import AuditEntry, User
from app.users.schemas import UserCreate
from tests.support.environment import Environ
from tests.support.jobs import run_jobs
from tests.support.receivers import MailServer
from tests.support.rows import rows

ADA = UserCreate(email="ada@example.com", full_name="Ada Lovelace")


async def register(database: Database, data: UserCreate = ADA) -> UnitOfWork:
    async with unit_of_work(database) as uow:
        await services.register(uow, data)
    return uow


async def test_a_registration_stores_the_user_and_enqueues_its_jobs(database: Database) -> None:
    await register(database)
    [user], jobs = await rows(database, User), await rows(database, Job)
    assert (user.email, user.full_name) == ("ada@example.com", "Ada Lovelace")
    assert [(job.task, job.arguments) for job in jobs] == [
        ("write_audit_log", {"event": "user_registered", "subject": "ada@example.com"}),
        ("send_welcome_email", {"email": "ada@example.com", "full_name": "Ada Lovelace"}),
    ]


async def test_a_webhook_is_enqueued_if_a_receiver_is_set(
    database: Database, environ: Environ
) -> None:
    environ(WEBHOOK_URL="http://receiver.test/", WEBHOOK_SECRET="c2VjcmV0")
    await register(database)
    [user], jobs = await rows(database, User), await rows(database, Job)
    assert jobs[-1].task == "push_webhook"
    assert jobs[-1].arguments == {
        "event": "user_registered",
        "user_id": str(user.id),
        "email": "ada@example.com",
        "full_name": "Ada Lovelace",
    }


async def test_the_jobs_of_a_registration_succeed(
    database: Database, mail_server: MailServer
) -> None:
    await register(database)
    assert [(job.task, job.status) for job in await run_jobs(database)] == [
        ("write_audit_log", "succeeded"),
        ("send_welcome_email", "succeeded"),
    ]
    [entry], [message] = await rows(database, AuditEntry), mail_server.messages
    assert entry.subject == message["To"] == "ada@example.com"


async def test_a_second_user_with_the_same_address_is_refused(database: Database) -> None:
    await register(database)
    with pytest.raises(Conflict):
        await register(database, UserCreate(email="ADA@example.com", full_name="Somebody Else"))
    assert len(await rows(database, User)) == 1
    assert len(await rows(database, Job)) == 2


async def test_a_rollback_drops_the_jobs_with_the_user(database: Database) -> None:
    async def register_and_fail() -> None:
        async with unit_of_work(database) as uow:
            await services.register(uow, ADA)
            raise RuntimeError("the rest of the request failed")

    with pytest.raises(RuntimeError, match="the rest"):
        await register_and_fail()
    assert await rows(database, User) == []
    assert await rows(database, Job) == []
