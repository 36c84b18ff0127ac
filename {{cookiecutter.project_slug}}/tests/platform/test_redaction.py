"""Errors and log lines show neither the arguments of a job nor the rows of the database."""

import io
import logging
import time
from collections.abc import Iterator
from traceback import format_exception

import pytest
from sqlalchemy.exc import DBAPIError

from app.database import Database
from app.jobs import Job, Status, UnitOfWork, task
from app.jobs.runtime import perform
from app.telemetry.log import JsonFormatter, TextFormatter
from app.telemetry.redaction import redacted, redacting
from app.users.models import User
from tests.platform.data import add_job, reread, store

ADDRESS = "ada@example.com"
NAME = "Ada O'Connor"
PHONE = "+44 20 7946 0958"


@pytest.fixture(params=[JsonFormatter, TextFormatter])
def logged(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """The log of the service."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(request.param())
    logger = logging.getLogger("app")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.stream
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


async def error_of(database: Database, job: Job) -> str:
    await perform(database, job.id)
    found = await reread(database, job)
    assert found.status in (Status.QUEUED, Status.FAILED)
    return found.error or ""


@pytest.mark.usefixtures("own_tasks")
async def test_arguments_are_redacted_in_errors_and_tracebacks(
    database: Database, logged: io.StringIO
) -> None:
    @task(max_tries=1)
    def call(names: list[str], numbers: dict[str, str]) -> None:
        try:
            raise LookupError(f"there is no {names[0]}")
        except LookupError as error:
            raise ValueError(f"cannot call {names} at {numbers}") from error

    error = await error_of(database, await store(database, call.job([NAME], {ADDRESS: PHONE})))
    assert error == """ValueError: cannot call ["***"] at {'***': '***'}"""
    assert "ValueError: cannot call" in logged.getvalue()
    assert "LookupError: there is no ***" in logged.getvalue()
    assert [secret for secret in (NAME, ADDRESS, PHONE) if secret in logged.getvalue()] == []


@pytest.mark.usefixtures("own_tasks")
async def test_only_whole_words_are_redacted(database: Database) -> None:
    @task()
    async def fail(short: str, empty: str) -> None:
        raise ValueError("a car at last")

    assert await error_of(database, await store(database, fail.job("a", ""))) == (
        "ValueError: *** car at last"
    )


@pytest.mark.parametrize(
    ("values", "text", "shown"),
    [
        (["Ada", "Ada Lovelace"], "Ada Lovelace, not Ada", "***, not ***"),
        (["+44 20", "20"], "at +44 20 and 20, not 44 20", "at *** and ***, not 44 ***"),
        (["a-b", "b"], "a-bc a-b xa-b b", "a-bc *** xa-*** ***"),
        ([NAME, NAME], f"{NAME}{NAME} '{NAME}'", f"{NAME}{NAME} '***'"),
        (["..."], "wait...", "wait..."),
    ],
)
def test_the_longest_value_is_redacted_where_it_is_whole_words(
    values: list[str], text: str, shown: str
) -> None:
    with redacting({"values": values}):
        assert redacted(text) == shown


def test_an_error_costs_little_time_however_long_the_arguments_are() -> None:
    """The event loop waits for it."""
    document = f"{NAME} {ADDRESS}\n" * 100_000
    began = time.thread_time()
    with redacting({"document": document}):
        assert redacted("it failed") == "it failed"
    # A thousand times what it takes.
    assert time.thread_time() - began < 1


async def test_arguments_that_do_not_fit_are_not_shown(
    database: Database, logged: io.StringIO
) -> None:
    arguments = {"event": {ADDRESS: NAME}, "subject": [NAME], "other": ADDRESS}
    error = await error_of(database, await add_job(database, arguments=arguments))
    assert error.startswith("UnknownCall: its arguments do not fit: ")
    for told in (error, logged.getvalue()):
        assert [secret for secret in (NAME, ADDRESS) if secret in told] == []


@pytest.mark.usefixtures("own_tasks")
async def test_the_values_of_a_failed_statement_are_not_shown(
    database: Database, logged: io.StringIO
) -> None:
    @task()
    async def register_twice(uow: UnitOfWork) -> None:
        for _ in range(2):
            uow.session.add(User(email=ADDRESS, full_name=NAME))
            await uow.session.flush()

    error = await error_of(database, await store(database, register_twice.job()))
    assert error.startswith("IntegrityError: ")
    for told in (error, logged.getvalue()):
        assert "INSERT INTO users" in told
        assert [secret for secret in (NAME, ADDRESS) if secret in told] == []


async def test_an_error_of_the_database_does_not_quote_the_row(database: Database) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with database.write.begin() as session:
            session.add(User(email=ADDRESS, full_name=None))
    told = "".join(format_exception(raised.value))
    assert "full_name" in told
    assert ADDRESS not in told
