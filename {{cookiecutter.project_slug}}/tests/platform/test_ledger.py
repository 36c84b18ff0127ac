"""The transitions of a job."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import update

from app.database import Database, utc_now
from app.jobs import Job, Status, control
from app.jobs.runtime import due as due_jobs
from app.jobs.runtime import ledger
from app.settings import get_settings
from tests.platform.data import add_job, add_running_job, after, ago, change, reread


async def claim(database: Database, job: Job) -> Job | None:
    async with database.engine.begin() as connection:
        [claimed] = await ledger.claim(connection, [job.id])
    return claimed


async def succeed(database: Database, job: Job) -> bool:
    async with database.engine.begin() as connection:
        [has_followers] = await ledger.succeed(connection, [ledger.Success(job)])
    if isinstance(has_followers, ledger.LeaseLost):
        raise has_followers
    return has_followers


async def fail(
    database: Database, job: Job, reason: str = "it failed", wait: timedelta | None = None
) -> None:
    async with database.engine.begin() as connection:
        [lost] = await ledger.fail(connection, [ledger.Failure(job, reason, wait)])
    if lost:
        raise lost


async def due(database: Database) -> list[uuid.UUID]:
    async with database.begin_write() as session:
        return [job.id for job in await due_jobs.take(session, due_jobs.TO_SEND, 10)]


async def test_a_claim_starts_a_try_and_a_lease(database: Database) -> None:
    job = await add_job(database)
    claimed = await claim(database, job)
    assert claimed is not None
    found = await reread(database, job)
    assert (found.status, found.attempts) == (Status.RUNNING, 1)
    assert found.started_at is not None
    assert found.lease_until is not None
    # SQLite reads its clock once for each of them.
    leased = found.lease_until - found.started_at
    assert abs(leased - get_settings().jobs_lease) < timedelta(seconds=1)


async def test_only_one_of_several_deliveries_claims_a_job(database: Database) -> None:
    job = await add_job(database)
    claims = await asyncio.gather(*(claim(database, job) for _ in range(15)))
    assert len([claimed for claimed in claims if claimed]) == 1
    assert (await reread(database, job)).attempts == 1


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
async def test_a_finished_job_cannot_be_claimed(database: Database, status: Status) -> None:
    job = await add_job(database, status=status, finished_at=ago(1))
    assert await claim(database, job) is None


async def test_a_job_cannot_be_claimed_before_it_is_due(database: Database) -> None:
    job = await add_job(database, run_at=ago(-60))
    assert await claim(database, job) is None
    await change(database, job, run_at=ago(1))
    assert await claim(database, job) is not None


async def test_a_job_whose_lease_has_ended_can_be_claimed(database: Database) -> None:
    job = await add_running_job(database, attempts=1, lease_until=ago(1))
    claimed = await claim(database, job)
    assert claimed is not None
    assert claimed.attempts == 2


async def test_a_job_without_tries_left_cannot_be_claimed(database: Database) -> None:
    job = await add_running_job(database, attempts=5, max_tries=5, lease_until=ago(1))
    assert await claim(database, job) is None


async def test_a_success_clears_the_error_and_the_lease(database: Database) -> None:
    job = await add_running_job(database, error="the try before failed")
    await succeed(database, job)
    found = await reread(database, job)
    assert (found.status, found.error, found.lease_until) == (Status.SUCCEEDED, None, None)
    assert found.finished_at is not None


async def test_a_failure_with_tries_left_queues_the_job_for_later(database: Database) -> None:
    job = await add_running_job(database, attempts=2)
    await fail(database, job, "OSError: no route", timedelta(seconds=60))
    found = await reread(database, job)
    assert (found.status, found.error, found.lease_until) == (
        Status.QUEUED,
        "OSError: no route",
        None,
    )
    assert found.finished_at is None
    assert found.run_at > utc_now()


async def test_a_failure_without_tries_left_is_final(database: Database) -> None:
    job = await add_running_job(database, attempts=5, max_tries=5)
    await fail(database, job)
    found = await reread(database, job)
    assert (found.status, found.error) == (Status.FAILED, "it failed")
    assert found.finished_at is not None


async def test_a_long_error_is_shortened_and_loses_its_nul(database: Database) -> None:
    job = await add_running_job(database)
    await fail(database, job, "\0" + "x" * 5000)
    assert (await reread(database, job)).error == "x" * ledger.MAX_TEXT_LENGTH


@pytest.mark.parametrize("change_hands", [{"attempts": 2}, {"status": Status.QUEUED}])
async def test_a_try_that_lost_its_job_cannot_record_an_outcome(
    database: Database, change_hands: dict[str, object]
) -> None:
    job = await add_running_job(database)
    await change(database, job, **change_hands)
    before = await reread(database, job)
    with pytest.raises(ledger.LeaseLost):
        await succeed(database, job)
    with pytest.raises(ledger.LeaseLost):
        await fail(database, job)
    after = await reread(database, job)
    assert (after.status, after.attempts, after.error) == (before.status, before.attempts, None)


async def test_a_renewal_extends_the_lease(database: Database) -> None:
    job = await add_running_job(database, lease_until=ago(-1))
    async with database.engine.begin() as connection:
        await ledger.renew(connection, job, None, None)
    lease_until = (await reread(database, job)).lease_until
    assert lease_until is not None
    assert lease_until > ago(-5)


async def test_a_job_that_is_given_back_can_be_claimed_at_once(database: Database) -> None:
    job = await add_running_job(database)
    async with database.engine.begin() as connection:
        await ledger.give_back(connection, job)
    claimed = await claim(database, job)
    assert claimed is not None
    assert claimed.attempts == 2


async def test_a_follower_cannot_be_claimed_before_the_job_that_it_follows_succeeds(
    database: Database,
) -> None:
    first = await add_running_job(database)
    follower = await add_job(database, **after(first))
    assert await claim(database, follower) is None
    assert await succeed(database, first)
    assert await claim(database, follower) is not None


async def test_followers_are_due_in_the_order_of_their_creation(database: Database) -> None:
    first = await add_running_job(database)
    followers = [await add_job(database, **after(first)) for _ in range(3)]
    assert await due(database) == []
    await succeed(database, first)
    assert await due(database) == [job.id for job in followers]


async def test_a_follower_is_not_due_before_its_own_delay_is_over(database: Database) -> None:
    first = await add_running_job(database)
    await add_job(database, **after(first), run_at=ago(-60))
    await succeed(database, first)
    assert await due(database) == []


async def test_a_follower_of_a_failed_job_waits_for_its_retry(database: Database) -> None:
    first = await add_running_job(database, attempts=5, max_tries=5)
    follower = await add_job(database, **after(first))
    await fail(database, first)
    assert await claim(database, follower) is None
    assert (await reread(database, follower)).status is Status.QUEUED
    async with database.write.begin() as session:
        await control.retry(session, first.id)
    again = await claim(database, first)
    assert again is not None
    await succeed(database, again)
    assert await due(database) == [follower.id]


async def test_a_batch_claims_each_job_once(database: Database) -> None:
    first, second = [await add_job(database) for _ in range(2)]
    asked = [first.id, uuid.uuid4(), second.id, first.id]
    async with database.engine.begin() as connection:
        claimed = await ledger.claim(connection, asked)
    assert [job.id if job else None for job in claimed] == [first.id, None, second.id, None]
    assert (await reread(database, first)).attempts == 1


async def test_a_locked_job_delays_no_other(database: Database) -> None:
    locked, other = [await add_job(database) for _ in range(2)]

    async def claim_both() -> list[Job | None]:
        async with database.engine.begin() as connection:
            return await ledger.claim_unlocked(connection, [locked.id, other.id])

    has_row_locks = database.engine.dialect.name != "sqlite"
    async with database.begin_write() as session:
        await session.execute(update(Job).where(Job.id == locked.id).values(request_id="locked"))
        claiming = asyncio.create_task(claim_both())
        if has_row_locks:
            await claiming
    claimed = [job.id if job else None for job in await claiming]
    assert claimed == [None if has_row_locks else locked.id, other.id]


async def test_each_success_of_a_batch_reports_its_own_followers(database: Database) -> None:
    jobs = [await add_running_job(database) for _ in range(3)]
    for job in jobs[1:]:
        await add_job(database, **after(job))
    await change(database, jobs[1], attempts=2)
    async with database.engine.begin() as connection:
        first, lost, last = await ledger.succeed(connection, [ledger.Success(job) for job in jobs])
    assert (first, last) == (False, True)
    assert isinstance(lost, ledger.LeaseLost)
    assert [(await reread(database, job)).status for job in jobs] == [
        Status.SUCCEEDED,
        Status.RUNNING,
        Status.SUCCEEDED,
    ]
