"""Services: what they store, and which jobs follow."""

import pytest

from app.database import Database
from app.errors import Conflict
from app.jobs import Job, Status, UnitOfWork, unit_of_work
from app.users import services
from app.users.models import User
from app.users.schemas import UserCreate
from tests.conftest import Environ
from tests.rows import rows

ADA = UserCreate(email="ada@example.com", full_name="Ada Lovelace")


async def register(database: Database, data: UserCreate = ADA) -> UnitOfWork:
    async with unit_of_work(database) as uow:
        await services.register(uow, data)
    return uow


async def test_registering_stores_the_user_and_the_jobs_in_their_order(database: Database) -> None:
    await register(database)
    users, jobs = await rows(database, User), await rows(database, Job)
    assert [(user.email, user.full_name) for user in users] == [("ada@example.com", "Ada Lovelace")]
    assert [(job.task, job.arguments, job.status) for job in jobs] == [
        (
            "write_audit_log",
            {"event": "user_registered", "subject": "ada@example.com"},
            Status.QUEUED,
        ),
        (
            "send_welcome_email",
            {"email": "ada@example.com", "full_name": "Ada Lovelace"},
            Status.QUEUED,
        ),
    ]


async def test_a_webhook_is_scheduled_where_a_url_is_set(
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


async def test_a_second_user_of_one_address_is_refused_and_schedules_nothing(
    database: Database,
) -> None:
    await register(database)
    with pytest.raises(Conflict):
        await register(database, UserCreate(email="ADA@example.com", full_name="Somebody Else"))
    assert len(await rows(database, User)) == 1
    assert len(await rows(database, Job)) == 2


async def test_a_rollback_drops_the_jobs_with_the_data(database: Database) -> None:
    async def register_and_fail() -> None:
        async with unit_of_work(database) as uow:
            await services.register(uow, ADA)
            await uow.session.flush()
            raise RuntimeError("the rest of the request failed")

    with pytest.raises(RuntimeError, match="the rest"):
        await register_and_fail()
    assert await rows(database, User) == []
    assert await rows(database, Job) == []
