"""What every engine owes, proved with the real processes and over HTTP only."""

import json
from collections.abc import Iterator
from time import perf_counter

import pytest

from tests.support.broker import Broker
from tests.support.environment import Environ
from tests.support.stack import World, running_world
from tests.support.database import Server

EVERY_TASK = ["write_audit_log", "send_welcome_email", "push_webhook"]
# What the broker is given to answer before a request goes on without it, and some more.
PROMPTLY_SECONDS = 5
# So that a killed process is soon known to be gone.
SHORT_LEASE_SECONDS = 3


@pytest.fixture(scope="module")
def lasting_world(
    server: Server, migrated: str, private_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    url = server.copy(migrated)
    directory = tmp_path_factory.mktemp("world")
    with running_world(url, private_broker, directory, SHORT_LEASE_SECONDS) as world:
        yield world
    server.drop(url)


@pytest.fixture
def world(lasting_world: World, broker: Broker, environ: Environ) -> World:
    """The service, up and idle, whatever the test before has done to it."""
    environ(DATABASE_URL=lasting_world.database_url)
    lasting_world.mail_server.reset()
    lasting_world.webhook_receiver.reset()
    lasting_world.service.start()
    return lasting_world


def test_jobs_of_every_kind_succeed_at_their_first_try(world: World) -> None:
    jobs = world.register()
    assert list(jobs) == EVERY_TASK
    ended = [world.until_succeeded(job) for job in jobs.values()]
    assert [job["attempts"] for job in ended] == [1, 1, 1]
    [message], [webhook] = world.mail_server.messages, world.webhook_receiver.webhooks
    assert message["To"] == json.loads(webhook.body)["email"]


def test_what_a_job_does_bears_the_id_of_the_job(world: World) -> None:
    jobs = world.register()
    world.until_all_succeeded(jobs.values())
    [message], [webhook] = world.mail_server.messages, world.webhook_receiver.webhooks
    assert jobs["send_welcome_email"]["id"] in message["Message-ID"]
    assert webhook.headers["Webhook-Id"] == jobs["push_webhook"]["id"]


def test_a_job_that_fails_twice_succeeds_at_its_third_try(world: World) -> None:
    world.mail_server.fail(times=2)
    job = world.until_ended(world.register()["send_welcome_email"])
    assert (job["status"], job["attempts"], job["error"]) == ("succeeded", 3, None)


def test_a_job_that_always_fails_ends_failed_and_can_be_retried(world: World) -> None:
    world.webhook_receiver.fail()
    job = world.until_ended(world.register()["push_webhook"])
    assert (job["status"], job["attempts"]) == ("failed", job["max_tries"])
    assert "503" in job["error"]
    world.webhook_receiver.fail(times=0)
    assert world.client.post(f"{job['url']}/retry").status_code == 202
    assert world.until_succeeded(job)["attempts"] == job["attempts"] + 1


def test_a_job_that_fails_does_not_stop_the_next(world: World) -> None:
    world.mail_server.fail()
    jobs = world.register()
    world.until_succeeded(jobs["push_webhook"])
    assert "not now" in world.until_ended(jobs["send_welcome_email"])["error"]


def test_a_job_that_hangs_delays_no_answer(world: World) -> None:
    world.mail_server.hold()
    world.webhook_receiver.hold()
    jobs = world.register_many(1)
    world.service.until(lambda: world.mail_server.arrived)
    started = perf_counter()
    jobs += world.register_many(1)
    assert perf_counter() - started < PROMPTLY_SECONDS
    world.mail_server.release()
    world.webhook_receiver.release()
    world.until_all_succeeded(jobs)


def test_a_job_whose_worker_is_killed_is_finished_by_the_next(world: World) -> None:
    world.mail_server.hold()
    jobs = world.register()
    world.service.until(lambda: world.mail_server.arrived)
    world.service.worker.kill()
    world.mail_server.release()
    world.service.start()
    assert world.until_succeeded(jobs["send_welcome_email"])["attempts"] == 2
    world.until_all_succeeded(jobs.values())


def test_jobs_outlive_the_kill_of_every_process(world: World) -> None:
    world.mail_server.hold()
    jobs = world.register_many(10)
    world.service.until(lambda: world.mail_server.arrived)
    world.service.kill()
    world.mail_server.release()
    world.service.start()
    world.until_all_succeeded(jobs)


def test_a_worker_that_is_told_to_stop_finishes_its_job(world: World) -> None:
    world.mail_server.hold()
    job = world.register()["send_welcome_email"]
    world.service.until(lambda: world.mail_server.arrived)
    world.service.worker.terminate()
    world.mail_server.release()
    world.service.worker.wait()
    world.service.start()
    assert world.until_succeeded(job)["attempts"] == 1
    assert len(world.mail_server.messages) == 1


def test_jobs_that_wait_outlive_a_restart_of_the_broker(world: World) -> None:
    world.mail_server.hold()
    jobs = world.register_many(10)
    world.broker.stop()
    world.broker.start()
    world.mail_server.release()
    world.until_all_succeeded(jobs)


def test_jobs_that_wait_outlive_a_broker_that_loses_everything(world: World) -> None:
    world.mail_server.hold()
    jobs = world.register_many(10)
    world.broker.empty()
    world.mail_server.release()
    world.until_all_succeeded(jobs)


def test_a_request_is_answered_promptly_while_the_broker_is_down(world: World) -> None:
    world.broker.stop()
    started = perf_counter()
    jobs = world.register_many(5)
    assert perf_counter() - started < PROMPTLY_SECONDS
    world.broker.start()
    world.until_all_succeeded(jobs)


def test_a_request_is_answered_promptly_while_the_broker_hangs(world: World) -> None:
    world.broker.freeze()
    started = perf_counter()
    jobs = world.register_many(5)
    assert perf_counter() - started < PROMPTLY_SECONDS
    world.broker.thaw()
    world.until_all_succeeded(jobs)


def test_a_service_starts_and_answers_without_its_broker(world: World) -> None:
    world.service.terminate()
    world.broker.stop()
    world.service.start()
    jobs = world.register()
    world.broker.start()
    world.until_all_succeeded(jobs.values())


def test_a_line_of_the_log_is_json_and_names_its_request_and_its_job(world: World) -> None:
    job = world.until_succeeded(world.register()["push_webhook"])
    requests = [json.loads(line) for line in world.service.web.log.splitlines()]
    jobs = [json.loads(line) for line in world.service.worker.log.splitlines() if job["id"] in line]
    about_job = [line for line in jobs if line.get("job_id") == job["id"]]
    assert [line["event"] for line in about_job] == ["job started", "job succeeded"]
    registration = [line for line in requests if line["event"] == "POST /users"][-1]
    assert {line["request_id"] for line in about_job} == {registration["request_id"]}


def test_nobody_but_the_service_tells_of_its_jobs(world: World) -> None:
    job = world.until_succeeded(world.register()["push_webhook"])
    lines = [json.loads(line) for line in world.service.log.splitlines() if job["id"] in line]
    assert {line["logger"].partition(".")[0] for line in lines} == {"app"}
