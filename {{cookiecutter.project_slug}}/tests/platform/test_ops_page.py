"""The operators' page: what it shows, and what its buttons do."""

import asyncio
import logging
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select, update

from app.database import Database, DatabaseUnavailable, new_id, utc_now
from app.jobs import Job, Status, task
from app.jobs.housekeeping import prune_jobs
from app.jobs.models import Schedule
from app.jobs.runtime import ledger
from app.jobs.runtime.timetable import Timetable
from app.users.tasks import send_welcome_email
from app.web import middleware
from app.web.ops import board, html, listing, pages
from tests.platform.data import add_job, add_running_job, after, ago, reread, store
from tests.support.rows import rows

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>\"'&" + 2 * "{" + " 7 * 7 " + 2 * "}"
OWN = {"Sec-Fetch-Site": "same-origin"}


async def add_failed(database: Database, **values: object) -> Job:
    given = {"status": Status.FAILED, "attempts": 5, "finished_at": ago(1), "error": "Boom: 1"}
    return await add_job(database, **(given | values))


async def press(client: httpx.AsyncClient, path: str) -> str:
    """Press a button. Returns what the page says was done: a code and a number."""
    response = await client.post(f"/ops/{path}", headers=OWN)
    assert response.status_code == 303, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query)
    assert (await client.get(response.headers["location"])).status_code == 200
    return f"{query['did'][0]} {query['n'][0]}"


async def seen(client: httpx.AsyncClient, path: str = "") -> str:
    """The text of a page, without markup."""
    response = await client.get(f"/ops{path}")
    assert response.status_code == 200, response.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))


def listed(page: str) -> list[str]:
    return re.findall(r'<td><a href="/ops/jobs/([0-9a-f-]{36})"', page)


async def test_the_overview_counts_jobs_by_task_and_queue(
    client: httpx.AsyncClient, database: Database
) -> None:
    first = await add_job(database, run_at=ago(2.01 * 3600), queue="nobody")
    await add_job(database, run_at=ago(-3600), **after(first))
    await add_running_job(database, started_at=ago(5.01 * 3600))
    await add_failed(database)
    page = await seen(client)
    assert "1 due and not started 2 h oldest due job 1 running 2 queued 1 failed" in page
    assert "write_audit_log 2 1 1 1 due for 2 h running for 5 h" in page
    assert "nobody 1 1 0 0 due for 2 h None of its jobs is running" in page
    assert "default 1 0 1 1 running for 5 h" in page


async def test_the_bars_count_each_job_that_has_ended_in_the_last_hour(
    client: httpx.AsyncClient, database: Database
) -> None:
    for minutes in (0, 1, 1, 2, 30, 57, 62, 500):
        await add_job(database, status=Status.SUCCEEDED, finished_at=ago(60 * minutes))
    for minutes in (1, 45):
        await add_failed(database, finished_at=ago(60 * minutes))
    for _ in range(2):  # the second time, it remembers the minutes that are over
        assert "8, of which 2 failed" in await seen(client)


async def test_a_minute_is_remembered_only_when_it_is_over(database: Database) -> None:
    watched, now = board.Board(), utc_now()
    for minutes, ended in ((0, 1), (10, 2)):  # ten minutes later, somebody looks again
        await add_job(database, status=Status.SUCCEEDED, finished_at=now)
        async with database.read() as session:
            read = await watched._read_minutes(session, now + timedelta(minutes=minutes))
        assert sum(minute.ended for minute in read) == ended


async def test_failures_are_grouped_by_task_and_kind_of_error(
    client: httpx.AsyncClient, database: Database
) -> None:
    for number in range(3):
        error = f"Boom: order {new_id()} of {number}"
        await add_failed(database, error=error, finished_at=ago(9.01 * 3600))
    await add_failed(database, error="Bang", finished_at=ago(7.01 * 3600))
    last = f"Boom: order {new_id()} of 77"
    await add_failed(database, error=last, finished_at=ago(4.01 * 3600))
    page = await seen(client)
    assert f"write_audit_log 4 4 h ago {last} " in page
    assert "write_audit_log 1 7 h ago Bang" in page


async def test_the_overview_is_read_once_for_all_who_look_at_it(
    client: httpx.AsyncClient, database: Database, app: FastAPI
) -> None:
    statements: list[str] = []

    def listen(*given: object) -> None:
        statements.append(str(given[2]))

    reading = database.read.kw["bind"].sync_engine
    event.listen(reading, "before_cursor_execute", listen)
    pages = await asyncio.gather(*(client.get("/ops") for _ in range(10)))
    event.remove(reading, "before_cursor_execute", listen)
    assert {page.status_code for page in pages} == {200}
    assert len(statements) == len(set(statements)) > 0


async def test_a_database_that_does_not_answer_in_time_is_an_outage(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, app: FastAPI, database: Database
) -> None:
    monkeypatch.setattr(board, "TIMEOUT_SECONDS", 0)
    assert (await client.get("/ops")).status_code == 503
    with pytest.raises(DatabaseUnavailable):
        await app.state.board.look(database)


async def test_more_jobs_than_are_counted_are_said_to_be(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await seen(client)
    assert "There may be more jobs" not in page
    monkeypatch.setattr(pages, "MAX_COUNT", 0)
    assert "There may be more jobs" in await seen(client)


async def test_a_list_has_filters_in_its_address(
    client: httpx.AsyncClient, database: Database
) -> None:
    done = await add_job(database, status=Status.SUCCEEDED, finished_at=ago(1))
    failed = await add_failed(database, queue="slow")
    other = await store(database, prune_jobs.job())
    jobs = {"done": done, "failed": failed, "other": other}
    for query, wanted in {
        "": {"done", "failed", "other"},
        "status=&task=&queue=": {"done", "failed", "other"},
        "status=failed": {"failed"},
        "status=succeeded": {"done"},
        "task=write_audit_log": {"done", "failed"},
        "task=write_audit_log&status=succeeded": {"done"},
        "status=failed&task=prune_jobs": set(),
        "queue=slow": {"failed"},
    }.items():
        page = (await client.get(f"/ops/jobs?{query}")).text
        assert {*listed(page)} == {str(jobs[name].id) for name in wanted}, query


async def test_older_leads_through_all_jobs_without_gap_or_double(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 3)
    monkeypatch.setattr(listing, "WINDOW", 4)
    moments = [ago(number // 4) for number in range(17)]  # several have the same
    jobs = [
        await add_failed(database, created_at=at, queue="odd" if number % 5 else "even")
        for number, at in enumerate(moments)
    ]
    jobs.sort(key=lambda job: (job.created_at, job.id), reverse=True)
    odd = [job for job in jobs if job.queue == "odd"]
    for query, wanted in {"": jobs, "status=failed": jobs, "queue=odd": odd}.items():
        found: list[str] = []
        path: str | None = f"/ops/jobs?{query}"
        while path:
            page = (await client.get(path)).text
            found += listed(page)
            link = re.search(r'href="([^"]*)" rel="next"', page)
            path = link[1].replace("&amp;", "&") if link else None
        assert found == [str(job.id) for job in wanted], query


async def test_a_page_that_begins_at_a_deleted_job_says_so(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/ops/jobs?before={new_id()}")
    assert response.status_code == 404
    assert "has been deleted" in response.text


async def test_a_job_shows_its_error_tries_progress_ids_and_relatives(
    client: httpx.AsyncClient, database: Database
) -> None:
    before = await add_job(database)
    trace = "0af7651916cd43dd8448eb211c80319c"
    tries = [
        {"attempt": number, "started_at": ago(60).isoformat(), "error": f"Boom: {number}"}
        for number in (1, 2)
    ]
    job = await add_running_job(
        database,
        **after(before),
        attempts=3,
        started_at=ago(1),
        error="Boom: 2",
        failures=tries,
        progress=42,
        progress_note="page 42",
        key="order-7",
        request_id="the-request",
        traceparent=f"00-{trace}-b7ad6b7169203331-01",
    )
    follower = await add_job(database, **after(job, wanted=Status.FAILED))
    page = await seen(client, f"/jobs/{job.id}")
    for text in ("Boom: 1", "Boom: 2", "42 % · page 42", "order-7", "the-request", trace):
        assert text in page
    assert "Try 3 of 5" in page
    assert "write_audit_log queued if that one has succeeded" in page
    assert "write_audit_log queued if this one has failed" in page
    assert f"/ops/jobs/{before.id}" in (await client.get(f"/ops/jobs/{job.id}")).text
    assert "Waits for write_audit_log running" in await seen(client, f"/jobs/{follower.id}")


async def test_a_job_that_does_not_exist_is_a_page_too(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/ops/jobs/{new_id()}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"


async def test_only_arguments_that_identify_are_shown(
    client: httpx.AsyncClient, database: Database, own_tasks: None
) -> None:
    @task()
    def pay(order: int, card: str) -> None: ...

    job = await store(database, pay.job(4711, "4000-secret"), result={"secret": "4000-secret"})
    await store(database, send_welcome_email.job("ada@example.com", "Ada Lovelace"))
    for path in ("", "/jobs", f"/jobs/{job.id}", "/jobs?task=pay"):
        page = (await client.get(f"/ops{path}")).text
        assert "4000-secret" not in page
        assert "ada@example.com" not in page
    assert "order=4711" in await seen(client, f"/jobs/{job.id}")
    assert "order=4711" in await seen(client, "/jobs")


async def test_whatever_clients_and_tasks_write_is_escaped(
    client: httpx.AsyncClient, database: Database, own_tasks: None
) -> None:
    tries = [{"attempt": 1, "started_at": None, "error": HOSTILE}] * 2
    texts: dict[str, object] = dict.fromkeys(
        ("task", "queue", "key", "error", "request_id", "progress_note"), HOSTILE
    )
    texts |= {"failures": tries, "progress": 1, "traceparent": f"00-{HOSTILE}-00-01"}
    failed = await add_failed(database, **texts)
    await add_running_job(database, **{**texts, "key": None}, **after(failed))
    for path in ("", "/jobs", "/jobs?status=running", f"/jobs/{failed.id}"):
        page = (await client.get(f"/ops{path}")).text
        assert "alert(1)" in page
        assert "<script>alert" not in page
        assert "&amp;49" not in page
        # It ends no attribute either.
        assert not re.search(r"=\"[^\"]*<script", page)
        assert page.count("<script") == 1


async def test_no_text_of_the_address_is_shown(client: httpx.AsyncClient) -> None:
    for query in (f"did={HOSTILE}", "did=retry&n=<b>", "did=retry&n=" + "9" * 5000, "n=1"):
        response = await client.get("/ops", params=dict(parse_qs(query)))
        assert response.status_code == 200
        assert "<b>" not in response.text
        assert "alert" not in response.text.replace('role="alert"', "")
        assert "9" * 10 not in response.text


async def test_a_job_is_retried_once(client: httpx.AsyncClient, database: Database) -> None:
    job = await add_failed(database)
    assert await press(client, f"jobs/{job.id}/retry") == "retry 1"
    assert (await reread(database, job)).status is Status.QUEUED
    assert await press(client, f"jobs/{job.id}/retry") == "nothing 0"


async def test_a_job_is_not_retried_beside_another_of_its_key(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_failed(database, key="one")
    await add_job(database, key="one")
    assert await press(client, f"jobs/{job.id}/retry") == "blocked 1"
    assert (await reread(database, job)).status is Status.FAILED


async def test_a_queued_job_is_cancelled_and_a_running_one_is_asked_to_stop(
    client: httpx.AsyncClient, database: Database
) -> None:
    queued, running = await add_job(database), await add_running_job(database)
    done = await add_job(database, status=Status.SUCCEEDED, finished_at=ago(1))
    assert await press(client, f"jobs/{queued.id}/cancel") == "cancel 1"
    assert await press(client, f"jobs/{queued.id}/cancel") == "nothing 0"
    assert await press(client, f"jobs/{running.id}/cancel") == "cancel 1"
    assert await press(client, f"jobs/{done.id}/cancel") == "nothing 0"
    assert (await reread(database, queued)).status is Status.CANCELLED
    assert (await reread(database, running)).cancel_requested
    assert "It is asked to stop" in await seen(client, f"/jobs/{running.id}")


async def test_a_delayed_job_is_run_now_and_a_claimed_one_is_left_alone(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database, run_at=ago(-3600))
    assert "Run now" in await seen(client, f"/jobs/{job.id}")
    assert await press(client, f"jobs/{job.id}/run-now") == "run-now 1"
    assert (await reread(database, job)).run_at <= utc_now()
    async with database.engine.begin() as connection:
        assert await ledger.claim(connection, [job.id]) != [None]
    for action in ("retry", "run-now"):
        assert await press(client, f"jobs/{job.id}/{action}") == "nothing 0"
    assert (await reread(database, job)).status is Status.RUNNING


async def test_all_failed_jobs_of_a_task_are_retried_in_slices(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SLICE", 2)
    for _ in range(5):
        await add_failed(database)
    other = await add_failed(database, task="other")
    later = await add_failed(database, finished_at=ago(-60))
    assert "Retry all 6" in await seen(client)
    assert await press(client, "tasks/write_audit_log/retry") == "retry 5"
    statuses = [job.status for job in await rows(database, Job) if job.task != "other"]
    assert statuses.count(Status.QUEUED) == 5
    # It failed after the click.
    assert (await reread(database, later)).status is Status.FAILED
    assert (await reread(database, other)).status is Status.FAILED
    assert await press(client, "tasks/write_audit_log/retry") == "nothing 0"


async def test_a_click_does_not_take_long_and_says_that_there_is_more(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SLICE", 2)
    monkeypatch.setattr(pages, "MAX_RETRY_SECONDS", 1e-9)
    for _ in range(5):
        await add_failed(database)
    assert await press(client, "tasks/write_audit_log/retry") in ("retry-some 2", "nothing 0")


async def test_a_schedule_is_run_now_unless_its_last_run_is_in_progress(
    client: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    timetable = Timetable(database)
    await timetable.enqueue_due()
    assert await press(client, "schedules/prune_jobs/run") == "run-schedule 1"
    await timetable.enqueue_due()
    [job] = await rows(database, Job)
    assert job.task == "prune_jobs"
    assert await press(client, "schedules/prune_jobs/run") == "nothing 0"
    async with database.write.begin() as session:
        await session.execute(update(Job).values(status=Status.SUCCEEDED, finished_at=utc_now()))
    app.state.board.forget()
    assert "Run now succeeded" in await seen(client)
    assert await press(client, "schedules/prune_jobs/run") == "run-schedule 1"
    assert await press(client, "schedules/nothing/run") == "nothing 0"
    async with database.read() as session:
        [schedule] = await session.scalars(select(Schedule))
    assert schedule.next_at <= utc_now()


async def test_each_action_is_logged_with_the_id_of_its_request(
    client: httpx.AsyncClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    job = await add_failed(database)
    with caplog.at_level(logging.INFO, pages.__name__):
        await press(client, f"jobs/{job.id}/retry")
    [record] = [record for record in caplog.records if record.name == pages.__name__]
    assert record.getMessage() == "operator: retry"
    assert vars(record)["job"] == str(job.id)


async def test_the_refresh_of_an_open_page_is_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, middleware.__name__):
        await client.get("/ops", headers={"X-Refresh": "1"})
        assert caplog.records == []
        await client.get("/jobs", headers={"X-Refresh": "1"})
        await client.get("/ops")
    assert [record.getMessage() for record in caplog.records] == ["GET /jobs", "GET /ops"]


async def test_links_lead_below_the_path_of_a_proxy(
    client: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    app.root_path = "/shop"
    job = await add_failed(database)
    for path in ("", "/jobs", f"/jobs/{job.id}"):
        page = (await client.get(f"/shop/ops{path}")).text
        links = re.findall(r'(?:href|src|action)="([^"]*)"', page)
        assert links
        assert [link for link in links if not link.startswith("/shop/ops")] == []
    response = await client.post(f"/shop/ops/jobs/{job.id}/retry", headers=OWN)
    assert response.headers["location"].startswith(f"/shop/ops/jobs/{job.id}?")


def test_a_duration_has_at_most_two_units() -> None:
    texts = {0: "0.0 s", 59: "59 s", 60: "1 min", 3725: "1 h 2 min", 90_000: "1 d 1 h"}
    shown = html.environment.compile_expression("value|age")
    assert {each: shown(value=timedelta(seconds=each)) for each in texts} == texts
