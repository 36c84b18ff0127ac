"""How many jobs a schedule enqueues, and when."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update

from app.database import Database, utc_now
from app.jobs import Job, Status, task
from app.jobs.models import Schedule
from app.jobs.runtime import Relay
from app.jobs.runtime.timetable import Timetable
from app.tasks import registry
from tests.platform.data import add_job, ago, change
from tests.support.environment import Environ
from tests.support.fake_engine import FakeEngine
from tests.support.rows import rows
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_tasks")]

DAY = timedelta(days=1)


def declare(every: timedelta = DAY) -> None:
    @task(every=every)
    def tick() -> None: ...


async def schedule_of(database: Database) -> Schedule:
    async with database.read() as session:
        return await session.get_one(Schedule, "tick")


async def make_due(database: Database, moment: datetime) -> bool:
    async with database.write.begin() as session:
        changed = update(Schedule).values(next_at=moment).returning(Schedule.task)
        return (await session.scalars(changed)).all() == ["tick"]


async def due_timetable(database: Database, since: datetime) -> Timetable:
    declare()
    timetable = Timetable(database)
    await timetable.enqueue_due()
    await make_due(database, since)
    return timetable


async def test_a_new_schedule_waits_for_its_next_due_time(database: Database) -> None:
    declare()
    await Timetable(database).enqueue_due()
    assert await rows(database, Job) == []
    schedule = await schedule_of(database)
    assert timedelta(0) < schedule.next_at - utc_now() <= DAY


async def test_without_schedules_nothing_is_enqueued(database: Database) -> None:
    await Timetable(database).enqueue_due()
    assert await rows(database, Job) == []


async def test_a_due_run_is_enqueued_once(database: Database) -> None:
    since = ago(1)
    timetable = await due_timetable(database, since)
    await timetable.enqueue_due()
    await timetable.enqueue_due()
    [job] = await rows(database, Job)
    assert (job.task, job.arguments, job.status) == ("tick", {}, Status.QUEUED)
    assert (job.run_at, job.lease_until) == (since, None)


async def test_only_one_of_several_processes_enqueues_a_run(database: Database) -> None:
    declare()
    timetables = [Timetable(database) for _ in range(5)]
    await asyncio.gather(*(timetable.enqueue_due() for timetable in timetables))
    await make_due(database, ago(1))
    await asyncio.gather(*(timetable.enqueue_due() for timetable in timetables))
    assert len(await rows(database, Job)) == 1


async def test_missed_runs_are_made_up_by_a_single_run(database: Database) -> None:
    await due_timetable(database, ago(10 * DAY.total_seconds()))
    restarted = Timetable(database)
    await restarted.enqueue_due()
    await restarted.enqueue_due()
    assert len(await rows(database, Job)) == 1
    assert (await schedule_of(database)).next_at > utc_now()


async def test_a_run_is_skipped_while_the_last_one_is_in_progress(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    timetable = await due_timetable(database, ago(1))
    await timetable.enqueue_due()
    [job] = await rows(database, Job)
    await make_due(database, ago(1))
    await timetable.enqueue_due()
    assert len(await rows(database, Job)) == 1
    assert (await schedule_of(database)).next_at > utc_now()
    assert "run skipped" in caplog.text
    await change(database, job, status=Status.FAILED, finished_at=utc_now())
    await make_due(database, ago(1))
    await timetable.enqueue_due()
    assert len(await rows(database, Job)) == 2


async def test_a_run_is_enqueued_although_the_last_job_was_pruned(database: Database) -> None:
    timetable = await due_timetable(database, ago(1))
    await timetable.enqueue_due()
    async with database.write.begin() as session:
        await session.delete(await session.get_one(Job, (await schedule_of(database)).job_id))
    await make_due(database, ago(1))
    await timetable.enqueue_due()
    assert len(await rows(database, Job)) == 1


async def test_a_changed_schedule_waits_for_its_next_due_time(database: Database) -> None:
    await due_timetable(database, ago(1))
    registry.clear()
    declare(timedelta(days=7))
    await Timetable(database).enqueue_due()
    schedule = await schedule_of(database)
    assert await rows(database, Job) == []
    assert schedule.rule == "7 days, 0:00:00"
    assert timedelta(0) < schedule.next_at - utc_now() <= timedelta(days=7)


async def test_a_schedule_whose_task_was_removed_is_ignored(database: Database) -> None:
    await due_timetable(database, ago(1))
    registry.clear()
    await Timetable(database).enqueue_due()
    assert await rows(database, Job) == []


async def test_a_relay_enqueues_and_sends_due_runs(
    database: Database, engine: FakeEngine, environ: Environ
) -> None:
    environ(JOBS_RELAY_SECONDS="0.02")
    declare()

    async def is_due() -> bool:
        return await make_due(database, ago(1))

    async def is_sent() -> bool:
        return [job.id for job in await rows(database, Job)] == engine.sent != []

    async with Relay(database, engine).running():
        await eventually(is_due)
        await eventually(is_sent)


async def test_a_failing_timetable_delays_no_other_job(
    own_database: Database, engine: FakeEngine, environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(JOBS_RELAY_SECONDS="0.02")
    await due_timetable(own_database, ago(1))
    async with own_database.write.begin() as session:
        await session.execute(text("ALTER TABLE schedules RENAME TO elsewhere"))
    job = await add_job(own_database)

    async def is_sent() -> bool:
        return engine.sent == [job.id] and "jobs are not relayed" in caplog.text

    async def is_enqueued() -> bool:
        return len(engine.sent) == 2

    async with Relay(own_database, engine).running():
        await eventually(is_sent)
        async with own_database.write.begin() as session:
            await session.execute(text("ALTER TABLE elsewhere RENAME TO schedules"))
        await eventually(is_enqueued)
