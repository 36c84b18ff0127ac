"""What the background engine promises beyond the contract. It is run in a rendered project."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest

from app import engine as engine_module
from app.database import Database
from app.engine import EngineSettings, connect
from app.jobs import Job, Status, UnitOfWork, task, unit_of_work
from app.jobs.runtime import Relay
from app.jobs.runtime.relay import BATCH
from app.telemetry import log
from tests.platform.data import reread
from tests.support.environment import Environ
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_tasks")

LEASE = timedelta(seconds=60)
AT_ONCE = EngineSettings().jobs_concurrency


async def enqueue(
    database: Database, fill: Callable[[UnitOfWork], object], request: str = "request"
) -> list[Job]:
    """The jobs of one request, leased as a request does it."""
    with log.bound(log.request_id, request):
        async with unit_of_work(database, LEASE) as uow:
            fill(uow)
    return uow.jobs


def ended(database: Database, *jobs: Job) -> Callable[[], Awaitable[bool]]:
    async def have_ended() -> bool:
        return all([(await reread(database, job)).finished_at for job in jobs])

    return have_ended


async def test_jobs_of_a_request_run_in_their_order_and_do_not_delay_other_requests(
    database: Database,
) -> None:
    begun: list[int] = []
    may_end = asyncio.Event()

    @task()
    async def note(number: int) -> None:
        begun.append(number)
        if number == 0:
            await may_end.wait()

    count = 2 * BATCH + 5
    jobs = await enqueue(database, lambda uow: [uow.enqueue(note, n) for n in range(count)])
    [other] = await enqueue(database, lambda uow: uow.enqueue(note, -1), "another request")
    async with connect(database) as engine:
        relay = Relay(database, engine)
        await relay.dispatch(jobs)
        await relay.dispatch([other])
        await eventually(ended(database, other))
        assert sorted(begun) == [-1, 0]
        may_end.set()
        await eventually(ended(database, *jobs))
    assert [number for number in begun if number >= 0] == list(range(count))


async def test_a_limited_number_of_requests_have_their_jobs_run_at_the_same_time(
    database: Database,
) -> None:
    running: set[int] = set()
    most_running = 0
    may_end = asyncio.Event()

    @task()
    async def hold(number: int) -> None:
        nonlocal most_running
        running.add(number)
        most_running = max(most_running, len(running))
        await may_end.wait()
        running.remove(number)

    jobs: list[Job] = []
    for number in range(AT_ONCE + 5):
        call = partial(UnitOfWork.enqueue, task=hold, number=number)
        jobs += await enqueue(database, call, f"request-{number}")

    async def is_full() -> bool:
        return len(running) == AT_ONCE

    async with connect(database) as engine:
        relay = Relay(database, engine)
        await asyncio.gather(*(relay.dispatch([job]) for job in jobs))
        await eventually(is_full)
        may_end.set()
        await eventually(ended(database, *jobs))
    assert most_running == AT_ONCE


async def test_a_stop_lets_running_jobs_end_and_starts_no_others(database: Database) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    @task()
    async def hold() -> None:
        has_begun.set()
        await may_end.wait()

    first, second = await enqueue(database, lambda uow: [uow.enqueue(hold) for _ in range(2)])
    async with connect(database) as engine:
        await Relay(database, engine).dispatch([first, second])
        await has_begun.wait()
        stopping = asyncio.create_task(engine.stop())
        await asyncio.sleep(0)  # so that the stop has begun
        may_end.set()
        await stopping
    found = await reread(database, first)
    assert (found.status, found.attempts) == (Status.SUCCEEDED, 1)
    assert (await reread(database, second)).status is Status.QUEUED


async def test_a_stop_gives_back_the_jobs_that_do_not_end_in_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GRACE_SECONDS", 0.05)
    has_begun = asyncio.Event()

    @task()
    async def hang() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    jobs = await enqueue(database, lambda uow: uow.enqueue(hang))
    async with asyncio.timeout(30), connect(database) as engine:
        await Relay(database, engine).dispatch(jobs)
        await has_begun.wait()
    found = await reread(database, jobs[0])
    assert (found.status, found.lease_until, found.attempts) == (Status.QUEUED, None, 1)


async def test_a_follower_starts_without_waiting_for_the_interval_of_the_relay(
    database: Database, environ: Environ
) -> None:
    environ(JOBS_RELAY_SECONDS="3600")
    order: list[str] = []

    @task()
    async def note(text: str) -> None:
        order.append(text)

    def fill(uow: UnitOfWork) -> None:
        first = uow.enqueue(note, "first")
        uow.enqueue(note.options(after=first), "follower")

    async with connect(database) as engine, Relay(database, engine).running() as relay:
        jobs = await enqueue(database, fill)
        await relay.dispatch([job for job in jobs if job.lease_until])
        await eventually(ended(database, *jobs))
    assert order == ["first", "follower"]


async def test_what_exceeds_the_room_of_a_queue_waits_in_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch, environ: Environ
) -> None:
    environ(JOBS_CONCURRENCY="1", JOBS_RELAY_SECONDS="3600")
    monkeypatch.setattr(engine_module, "MAX_WAITING", 2)
    may_end = asyncio.Event()

    @task()
    async def hold() -> None:
        await may_end.wait()

    jobs: list[Job] = []
    for number in range(6):
        jobs += await enqueue(database, lambda uow: uow.enqueue(hold), f"request-{number}")
    async with connect(database) as engine, Relay(database, engine).running() as relay:
        for job in jobs:
            await relay.dispatch([job])
            await asyncio.sleep(0)  # so that it waits for its room
        last = await reread(database, jobs[-1])
        assert (last.status, last.lease_until) == (Status.QUEUED, None)
        may_end.set()
        await eventually(ended(database, *jobs))


async def test_a_slow_queue_delays_no_other(database: Database, environ: Environ) -> None:
    environ(JOBS_CONCURRENCY="1")
    may_end = asyncio.Event()

    @task(queue="slow")
    async def hold() -> None:
        await may_end.wait()

    @task()
    async def note() -> None: ...

    slow = await enqueue(database, lambda uow: [uow.enqueue(hold) for _ in range(3)])
    [quick] = await enqueue(database, lambda uow: uow.enqueue(note))
    async with connect(database) as engine:
        await Relay(database, engine).dispatch([*slow, quick])
        await eventually(ended(database, quick))
        may_end.set()
        await eventually(ended(database, *slow))
