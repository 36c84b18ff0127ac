"""What every engine owes, with real processes and over HTTP only."""

import json
from collections.abc import Iterator
from itertools import count
from time import perf_counter

import pytest

from tests.support.broker import Broker
from tests.support.database import Server
from tests.support.stack import Json, Stack, running_stack

pytestmark = pytest.mark.slow

EVERY_TASK = ["write_audit_log", "send_welcome_email", "push_webhook"]
# A broker has about a second to answer before a request goes on without it.
PROMPT_SECONDS = 5
# Other processes soon know that a process was killed.
SHORT_LEASE = {"JOBS_LEASE_SECONDS": "3"}

numbers = count()


@pytest.fixture(scope="module")
def lasting_stack(
    server: Server, migrated: str, private_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    url, directory = server.copy(migrated), tmp_path_factory.mktemp("stack")
    with running_stack(url, private_broker, directory, SHORT_LEASE) as stack:
        yield stack
    server.drop(url)


def register(stack: Stack) -> dict[str, Json]:
    """The jobs of a new user, by their tasks."""
    person = {"email": f"user{next(numbers)}@example.com", "full_name": "Somebody New"}
    response = stack.client.post("/users", json=person)
    assert response.status_code == 201, response.text
    return {job["task"]: job for job in response.json()["jobs"]}


def register_many(stack: Stack, users: int) -> list[Json]:
    return [job for _ in range(users) for job in register(stack).values()]


def test_jobs_succeed_at_the_first_try_and_pass_on_their_ids(stack: Stack) -> None:
    jobs = register(stack)
    assert list(jobs) == EVERY_TASK
    ended = stack.until_all_succeeded(jobs.values())
    assert [job["attempts"] for job in ended] == [1, 1, 1]
    [message], [webhook] = stack.mail_server.messages, stack.webhook_receiver.webhooks
    assert message["To"] == json.loads(webhook.body)["email"]
    assert jobs["send_welcome_email"]["id"] in message["Message-ID"]
    assert webhook.headers["Webhook-Id"] == jobs["push_webhook"]["id"]


def test_a_job_that_fails_twice_succeeds_at_its_third_try_and_delays_no_other(
    stack: Stack,
) -> None:
    stack.mail_server.fail(times=2)
    jobs = register(stack)
    stack.until_succeeded(jobs["push_webhook"])
    job = stack.until_ended(jobs["send_welcome_email"])
    assert (job["status"], job["attempts"], job["error"]) == ("succeeded", 3, None)


def test_a_job_that_always_fails_ends_as_failed_and_can_be_retried(stack: Stack) -> None:
    stack.webhook_receiver.fail()
    job = stack.until_ended(register(stack)["push_webhook"])
    assert (job["status"], job["attempts"]) == ("failed", job["max_tries"])
    assert "503" in job["error"]
    stack.webhook_receiver.fail(times=0)
    assert stack.client.post(f"{job['url']}/retry").status_code == 202
    assert stack.until_succeeded(job)["attempts"] == job["attempts"] + 1


def test_a_job_that_hangs_delays_no_response(stack: Stack) -> None:
    stack.mail_server.hold()
    stack.webhook_receiver.hold()
    jobs = register_many(stack, 1)
    stack.service.until(lambda: stack.mail_server.arrived)
    started = perf_counter()
    jobs += register_many(stack, 1)
    assert perf_counter() - started < PROMPT_SECONDS
    stack.mail_server.release()
    stack.webhook_receiver.release()
    stack.until_all_succeeded(jobs)


def test_the_job_of_a_killed_worker_is_run_by_the_next(stack: Stack) -> None:
    stack.mail_server.hold()
    jobs = register(stack)
    stack.service.until(lambda: stack.mail_server.arrived)
    stack.service.worker.kill()
    stack.mail_server.release()
    stack.service.start()
    assert stack.until_succeeded(jobs["send_welcome_email"])["attempts"] == 2
    stack.until_all_succeeded(jobs.values())


def test_jobs_survive_the_kill_of_every_process(stack: Stack) -> None:
    stack.mail_server.hold()
    jobs = register_many(stack, 10)
    stack.service.until(lambda: stack.mail_server.arrived)
    stack.service.kill()
    stack.mail_server.release()
    stack.service.start()
    stack.until_all_succeeded(jobs)


def test_a_worker_that_is_told_to_stop_ends_its_job_first(stack: Stack) -> None:
    stack.mail_server.hold()
    job = register(stack)["send_welcome_email"]
    stack.service.until(lambda: stack.mail_server.arrived)
    stack.service.worker.terminate()
    stack.mail_server.release()
    stack.service.worker.wait()
    stack.service.start()
    assert stack.until_succeeded(job)["attempts"] == 1
    assert len(stack.mail_server.messages) == 1


def test_jobs_survive_a_restart_of_the_broker(stack: Stack) -> None:
    stack.mail_server.hold()
    jobs = register_many(stack, 10)
    stack.broker.stop()
    stack.broker.start()
    stack.mail_server.release()
    stack.until_all_succeeded(jobs)


def test_jobs_survive_a_broker_that_loses_everything(stack: Stack) -> None:
    stack.mail_server.hold()
    jobs = register_many(stack, 10)
    stack.broker.empty()
    stack.mail_server.release()
    stack.until_all_succeeded(jobs)


def test_responses_are_prompt_while_the_broker_is_down(stack: Stack) -> None:
    stack.broker.stop()
    started = perf_counter()
    jobs = register_many(stack, 5)
    assert perf_counter() - started < PROMPT_SECONDS
    stack.broker.start()
    stack.until_all_succeeded(jobs)


def test_responses_are_prompt_while_the_broker_hangs(stack: Stack) -> None:
    stack.broker.freeze()
    started = perf_counter()
    jobs = register_many(stack, 5)
    assert perf_counter() - started < PROMPT_SECONDS
    stack.broker.thaw()
    stack.until_all_succeeded(jobs)


def test_the_service_starts_and_responds_without_its_broker(stack: Stack) -> None:
    stack.service.terminate()
    stack.broker.stop()
    stack.service.start()
    jobs = register(stack)
    stack.broker.start()
    stack.until_all_succeeded(jobs.values())


def test_the_log_has_two_lines_per_job_with_the_ids_of_job_and_request(stack: Stack) -> None:
    job = stack.until_succeeded(register(stack)["push_webhook"])
    log = [line for line in stack.service.log.splitlines() if job["id"] in line]
    about_job = [line for line in map(json.loads, log) if not line["event"].startswith("GET ")]
    # The libraries of the engine add none.
    assert [(line["event"], line["job_id"]) for line in about_job] == [
        ("job started", job["id"]),
        ("job succeeded", job["id"]),
    ]
    requests = [json.loads(line) for line in stack.service.web.log.splitlines()]
    registration = [line for line in requests if line["event"] == "POST /users"][-1]
    assert {line["request_id"] for line in about_job} == {registration["request_id"]}
