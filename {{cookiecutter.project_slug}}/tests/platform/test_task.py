"""How a function becomes a task, and a call of it a job."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app.database import utc_now
from app.errors import Unprocessable
from app.jobs import Status, UnitOfWork, current_job_id, task
from app.jobs.backoff import exponential
from app.telemetry import log

pytestmark = pytest.mark.usefixtures("own_tasks")


def test_a_call_of_a_task_runs_the_function() -> None:
    @task()
    def double(number: int) -> int:
        return 2 * number

    assert double(21) == 42


def test_a_job_stores_the_call_and_its_request() -> None:
    @task(max_tries=3)
    def greet(name: str, *, loudly: bool = False) -> None: ...

    with log.bound(log.request_id, "the-request"):
        job = greet.job("Ada", loudly=True)
    assert (job.task, job.arguments) == ("greet", {"name": "Ada", "loudly": True})
    assert (job.status, job.attempts, job.max_tries) == (Status.QUEUED, 0, 3)
    assert job.run_at == job.created_at <= utc_now()
    assert job.request_id == "the-request"


def test_arguments_are_stored_as_json_and_arrive_unchanged() -> None:
    @task()
    def remind(user_id: uuid.UUID, at: datetime, tags: list[str]) -> None: ...

    user_id, at = uuid.uuid4(), datetime(2030, 1, 2, tzinfo=UTC)
    job = remind.job(user_id, at, ["a"])
    assert job.arguments == {
        "user_id": str(user_id),
        "at": "2030-01-02T00:00:00Z",
        "tags": ["a"],
    }
    assert remind.unpack(job) == {"user_id": user_id, "at": at, "tags": ["a"]}


def test_a_default_is_not_stored_with_the_job() -> None:
    @task()
    def greet(name: str, greeting: str = "Hello") -> None: ...

    job = greet.job("Ada")
    assert job.arguments == {"name": "Ada"}
    assert greet.unpack(job) == {"name": "Ada"}


def test_a_missing_argument_is_refused() -> None:
    @task()
    def greet(name: str) -> None: ...

    with pytest.raises(TypeError, match="name"):
        greet.job()  # type: ignore[call-arg] # which is what is tested


def test_an_argument_of_the_wrong_type_is_refused() -> None:
    @task()
    def greet(name: str) -> None: ...

    with pytest.raises(Unprocessable, match="greet: parameter name is invalid: "):
        greet.job(42)  # type: ignore[arg-type] # which is what is tested


def test_the_unit_of_work_is_not_stored_as_an_argument() -> None:
    @task()
    async def note(uow: UnitOfWork, text: str) -> None: ...

    assert note.job("hello").arguments == {"text": "hello"}


def test_a_delay_moves_the_start_of_the_job() -> None:
    @task()
    def greet() -> None: ...

    job = greet.options(delay=timedelta(hours=1)).job()
    assert job.run_at - job.created_at == timedelta(hours=1)


def test_a_job_can_follow_another() -> None:
    @task()
    def greet() -> None: ...

    first = greet.job()
    [before] = greet.options(after=first).job().predecessors
    assert (before.predecessor_id, before.wanted) == (first.id, Status.SUCCEEDED)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (30, 600), (2000, 600)]
)
def test_the_delay_between_tries_doubles_up_to_a_limit(attempts: int, seconds: int) -> None:
    waits = [exponential(attempts).total_seconds() for _ in range(200)]
    assert seconds / 2 <= min(waits) < max(waits) <= seconds


def test_a_second_task_with_the_same_name_is_refused() -> None:
    @task()
    def greet() -> None: ...

    with pytest.raises(TypeError, match="two tasks named greet"):
        task()(greet.function)


def test_a_blocking_task_with_a_unit_of_work_is_refused() -> None:
    def note(uow: UnitOfWork) -> None: ...

    with pytest.raises(TypeError, match="note takes a UnitOfWork, so it must be async"):
        task()(note)


def test_the_current_job_id_is_the_id_of_the_running_job() -> None:
    with log.bound(log.job_id, "the-job"):
        assert current_job_id() == "the-job"


def test_outside_jobs_the_current_job_id_is_a_new_one() -> None:
    assert uuid.UUID(current_job_id())


def test_a_task_with_a_schedule_can_also_be_enqueued() -> None:
    @task(cron="30 3 * * *")
    async def report(uow: UnitOfWork) -> None: ...

    assert report.rule == "30 3 * * *"
    assert report.job().arguments == {}


def test_a_task_with_a_schedule_and_arguments_is_refused() -> None:
    def greet(name: str) -> None: ...

    with pytest.raises(TypeError, match="greet has a schedule, so it must not have arguments"):
        task(every=timedelta(hours=1))(greet)
