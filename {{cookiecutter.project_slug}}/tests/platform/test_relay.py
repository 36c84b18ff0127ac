"""Which jobs are sent to the engine, and when."""

import asyncio
import logging
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import event

from app.database import Database, utc_now
from app.database.engines import DatabaseUnavailable
from app.jobs import Job, Status, unit_of_work
from app.jobs.runtime import relay as relay_module
from app.jobs.runtime.relay import BATCH, Relay, in_batches
from app.users.tasks import write_audit_log
from tests.platform.data import add_job, add_running_job, after, ago, reread
from tests.support.environment import Environ
from tests.support.fake_engine import FakeEngine
from tests.support.rows import rows
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def add_sent_jobs(database: Database, engine: FakeEngine, count: int) -> list[Job]:
    """Jobs that were sent, and whose leases have ended."""
    jobs = [await add_job(database, lease_until=ago(1)) for _ in range(count)]
    engine.sent = [job.id for job in jobs]
    return jobs


async def test_a_queued_job_is_leased_and_sent_once(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    job = await add_job(database)
    await relay.relay()
    await relay.relay()
    assert engine.sent == [job.id]
    lease_until = (await reread(database, job)).lease_until
    assert lease_until is not None
    assert lease_until > utc_now()


async def test_only_one_of_several_relays_sends_a_job(
    database: Database, engine: FakeEngine
) -> None:
    jobs = [await add_job(database) for _ in range(10)]
    await asyncio.gather(*(Relay(database, engine).relay() for _ in range(5)))
    assert sorted(engine.sent) == sorted(job.id for job in jobs)


async def test_jobs_are_sent_in_the_order_in_which_they_are_due(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    late, early, middle = [await add_job(database, run_at=ago(age)) for age in (1, 3, 2)]
    await relay.relay()
    assert engine.sent == [early.id, middle.id, late.id]


async def test_a_job_that_is_delayed_leased_or_running_is_not_sent(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    await add_job(database, run_at=ago(-60))
    await add_job(database, lease_until=ago(-10))
    await add_running_job(database)
    await relay.relay()
    assert engine.sent == []


async def test_a_follower_is_sent_if_its_predecessor_has_succeeded(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    succeeded = await add_job(database, status=Status.SUCCEEDED, finished_at=ago(1))
    failed = await add_job(database, status=Status.FAILED, finished_at=ago(1))
    released = await add_job(database, **after(succeeded))
    waiting = await add_job(database, **after(failed))
    await relay.relay()
    assert engine.sent == [released.id]
    assert (await reread(database, waiting)).status is Status.QUEUED


async def test_a_job_of_a_lost_worker_is_sent_again(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    job = await add_running_job(database, lease_until=ago(1))
    await relay.relay()
    assert engine.sent == [job.id]
    found = await reread(database, job)
    assert (found.status, found.attempts, found.error) == (Status.QUEUED, 1, None)


async def test_a_job_whose_last_try_lost_its_worker_has_failed(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    job = await add_running_job(database, attempts=5, max_tries=5, lease_until=ago(1))
    await relay.relay()
    assert engine.sent == []
    found = await reread(database, job)
    assert (found.status, found.error) == (Status.FAILED, "the worker was lost")
    assert found.finished_at is not None


async def test_a_backlog_in_the_broker_is_not_sent_again(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    jobs = await add_sent_jobs(database, engine, 5)
    await relay.relay()
    assert engine.sent == [job.id for job in jobs]


async def test_as_many_jobs_are_sent_again_as_the_broker_lost(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    jobs = await add_sent_jobs(database, engine, 5)
    engine.lose(2)
    await relay.relay()
    assert len(engine.sent) == 7
    assert set(engine.sent) == {job.id for job in jobs}


async def test_a_broker_that_lost_everything_is_sent_everything(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    jobs = await add_sent_jobs(database, engine, 2 * BATCH + 5)
    engine.lose(len(jobs))
    await relay.relay()
    assert sorted(engine.sent[len(jobs) :]) == sorted(job.id for job in jobs)


async def test_jobs_that_cannot_be_sent_are_released(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    jobs = [await add_job(database, lease_until=ago(-10)) for _ in range(3)]
    engine.is_down = True
    await relay.dispatch(jobs)
    assert engine.refused == [job.id for job in jobs]
    assert [(await reread(database, job)).lease_until for job in jobs] == [None] * 3


def test_batches_have_all_jobs_in_their_order() -> None:
    jobs = [write_audit_log.job("user_registered", str(number)) for number in range(2 * BATCH + 5)]
    batches = [*in_batches(jobs)]
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 5]
    assert [job for batch in batches for job in batch] == jobs


async def test_a_broker_that_is_down_is_not_tried_again_by_later_requests(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    jobs = [await add_job(database, lease_until=ago(-10)) for _ in range(3)]
    engine.is_down = True
    for job in jobs:
        await relay.dispatch([job])
    assert engine.refused == [jobs[0].id]
    with pytest.raises(ConnectionRefusedError):
        await relay.relay()
    assert engine.refused == [jobs[0].id]


async def test_a_broker_that_is_up_again_gets_the_waiting_jobs(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    jobs = [await add_job(database, lease_until=ago(-10)) for _ in range(3)]
    engine.is_down = True
    await relay.dispatch(jobs)
    engine.is_down = False
    await relay.relay()
    assert engine.sent == [job.id for job in jobs]
    later = await add_job(database, lease_until=ago(-10))
    await relay.dispatch([later])
    assert engine.sent[-1] == later.id


class ImpatientEngine(FakeEngine):
    """Its broker answers in time. At first, the event loop is too busy to notice."""

    async def send(self, jobs: Sequence[Job]) -> None:
        answer = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(0.3):
            if not self.refused:
                self.refused = [job.id for job in jobs]
                time.sleep(0.6)  # noqa: ASYNC251 - it blocks the event loop
            answer.get_loop().call_soon(answer.set_result, None)
            await answer
        await super().send(jobs)


async def test_a_broker_is_not_taken_for_down_because_the_event_loop_is_late(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ImpatientEngine()
    relay = Relay(database, engine)
    job = await add_job(database, lease_until=ago(-10))
    await relay.dispatch([job])
    assert engine.refused == engine.sent == [job.id]
    assert relay.lease is not None
    assert caplog.messages == []


async def test_jobs_are_not_leased_for_requests_while_the_broker_is_down(
    database: Database, relay: Relay, engine: FakeEngine
) -> None:
    assert relay.lease is not None
    engine.is_down = True
    await relay.dispatch([await add_job(database, lease_until=ago(-10))])
    async with unit_of_work(database, relay.lease) as uow:
        uow.enqueue(write_audit_log, "user_registered", "ada")
    assert uow.leased == []
    engine.is_down = False
    await relay.relay()
    assert relay.lease is not None
    assert uow.jobs[0].id in engine.sent


class AskedEngine(FakeEngine):
    times_asked = 0

    async def waiting(self, queue: str) -> int:
        self.times_asked += 1
        return await super().waiting(queue)


async def test_an_outage_of_the_broker_is_survived_and_logged_once(
    database: Database, environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(JOBS_RELAY_SECONDS="0.02")
    engine = AskedEngine()
    await add_job(database)
    engine.is_down = True

    async def is_asked_again() -> bool:
        return engine.times_asked >= 3

    async def is_sent() -> bool:
        return bool(engine.sent)

    with caplog.at_level(logging.INFO, relay_module.__name__):
        async with Relay(database, engine).running():
            await eventually(is_asked_again)
            engine.is_down = False
            await eventually(is_sent)
    told = ["jobs could not be sent, and will be sent later: %r", "jobs can be sent again"]
    assert [record.msg for record in caplog.records] == told


class RelayThatFindsTheDatabaseUnavailable(Relay):
    is_unavailable = True

    async def relay(self) -> None:
        if self.is_unavailable:
            self.is_unavailable = False
            raise DatabaseUnavailable("the database is restarted")
        await super().relay()


async def test_an_outage_of_the_database_is_survived_and_logged_once(
    database: Database, engine: FakeEngine, environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(JOBS_LEASE_SECONDS="1", JOBS_RELAY_SECONDS="0.02")
    job = await add_job(database)

    async def is_sent() -> bool:
        return engine.sent == [job.id]

    with caplog.at_level(logging.INFO, relay_module.__name__):
        async with RelayThatFindsTheDatabaseUnavailable(database, engine).running():
            await eventually(is_sent)
    told = ["jobs are not relayed: %r", "the database is available again"]
    assert [record.msg for record in caplog.records] == told


class SlowEngine(FakeEngine):
    """Sends for as long as a test wants, as an engine that runs the jobs itself may do."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()
        self.under_way = 0
        self.batches: list[list[uuid.UUID]] = []

    async def send(self, jobs: Sequence[Job]) -> None:
        self.under_way += 1
        self.batches.append([job.id for job in jobs])
        await self.may_go_on.wait()
        await super().send(jobs)
        self.under_way -= 1


async def test_a_job_stays_leased_while_it_is_sent(database: Database, environ: Environ) -> None:
    environ(JOBS_LEASE_SECONDS="1")
    engine = SlowEngine()
    until = ago(-1)
    job = await add_job(database, lease_until=until)
    sending = asyncio.create_task(Relay(database, engine).dispatch([job]))

    async def is_kept() -> bool:
        lease_until = (await reread(database, job)).lease_until
        return bool(lease_until and lease_until > until + timedelta(seconds=0.2))

    await eventually(is_kept)
    engine.may_go_on.set()
    await sending
    assert engine.sent == [job.id]


async def test_jobs_that_several_requests_dispatch_during_a_sending_are_sent_together(
    database: Database,
) -> None:
    engine = SlowEngine()
    relay = Relay(database, engine)
    jobs = [await add_job(database, lease_until=ago(-10)) for _ in range(5)]
    sending = [asyncio.create_task(relay.dispatch([job])) for job in jobs[:1]]

    async def is_under_way() -> bool:
        return engine.under_way == 1

    await eventually(is_under_way)
    sending += [asyncio.create_task(relay.dispatch(group)) for group in (jobs[1:3], jobs[3:])]
    engine.may_go_on.set()
    await asyncio.gather(*sending)
    assert engine.batches == [[jobs[0].id], [job.id for job in jobs[1:]]]


async def test_a_relay_leases_one_batch_at_a_time(database: Database, environ: Environ) -> None:
    environ(JOBS_RELAY_SECONDS="0.02")
    engine = SlowEngine()
    jobs = [await add_job(database) for _ in range(BATCH + 5)]

    async def is_under_way() -> bool:
        return engine.under_way == 1

    async def is_done() -> bool:
        return sorted(engine.sent) == sorted(job.id for job in jobs)

    async with Relay(database, engine).running():
        await eventually(is_under_way)
        leased = [job for job in await rows(database, Job) if job.lease_until]
        assert len(leased) == BATCH
        engine.may_go_on.set()
        await eventually(is_done)


async def test_a_relay_that_is_woken_does_not_wait_for_its_interval(
    database: Database, engine: FakeEngine, environ: Environ
) -> None:
    environ(JOBS_RELAY_SECONDS="3600")

    async def is_sent() -> bool:
        return engine.sent == [job.id for job in jobs]

    async with Relay(database, engine).running():
        jobs = [await add_job(database)]
        database.has_due_jobs.set()
        await eventually(is_sent)
        jobs += [await add_job(database)]
        database.has_due_jobs.set()
        await eventually(is_sent)


async def test_an_idle_relay_executes_one_statement_per_round(
    database: Database, engine: FakeEngine, environ: Environ
) -> None:
    environ(JOBS_RELAY_SECONDS="0.02")
    executed: list[str] = []

    def note(*about: object) -> None:
        executed.append(str(about[2]))

    async def are_there_many() -> bool:
        return len(executed) > 20

    engines = [each.sync_engine for each in (database.engine, database.reading_engine)]
    for each in engines:
        event.listen(each, "before_cursor_execute", note)
    try:
        async with Relay(database, engine).running():
            await eventually(are_there_many)
    finally:
        for each in engines:
            event.remove(each, "before_cursor_execute", note)
    assert len({*executed[-10:]}) == 1


async def test_a_relay_that_stops_does_not_wait_for_the_engine(database: Database) -> None:
    engine = SlowEngine()
    await add_job(database)

    async def is_under_way() -> bool:
        return engine.under_way == 1

    async with asyncio.timeout(30), Relay(database, engine).running():
        await eventually(is_under_way)
    assert engine.sent == []
