"""Schedules: when a task is due."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.jobs.schedule import Rule, next_after, rule_of


@pytest.mark.parametrize(
    ("rule", "moment", "expected"),
    [
        (timedelta(hours=1), "2030-01-02T03:04:05.678+00:00", "2030-01-02T04:00:00+00:00"),
        (timedelta(hours=1), "2030-01-02T03:00:00+00:00", "2030-01-02T04:00:00+00:00"),
        (timedelta(days=1), "2030-01-02T03:04:05+00:00", "2030-01-03T00:00:00+00:00"),
        (timedelta(seconds=2), "2030-01-02T03:04:05.678+00:00", "2030-01-02T03:04:06+00:00"),
        ("30 3 * * *", "2030-01-02T03:04:05.678+00:00", "2030-01-02T03:30:00+00:00"),
        ("30 3 * * *", "2030-01-02T03:30:00+00:00", "2030-01-03T03:30:00+00:00"),
        ("0 8 * * MON", "2030-01-02T03:04:05+00:00", "2030-01-07T08:00:00+00:00"),
        ("*/2 * * * * *", "2030-01-02T03:04:05.678+00:00", "2030-01-02T03:04:06+00:00"),
    ],
)
def test_the_next_due_time_is_later_than_now(rule: Rule, moment: str, expected: str) -> None:
    assert next_after(rule, datetime.fromisoformat(moment)).isoformat() == expected


def test_a_day_begins_at_midnight_utc() -> None:
    east = timezone(timedelta(hours=9))
    found = next_after(timedelta(days=1), datetime(2030, 1, 2, 8, tzinfo=east))
    assert found == datetime(2030, 1, 2, tzinfo=UTC)


def test_a_task_without_a_schedule_has_no_rule() -> None:
    assert rule_of(None, None) is None


@pytest.mark.parametrize(
    ("every", "cron"),
    [
        (timedelta(0), None),
        (timedelta(seconds=-5), None),
        (timedelta(milliseconds=999), None),
        (None, ""),
        (None, "every day"),
        (None, "0 0 30 2 *"),
        (timedelta(hours=1), "30 3 * * *"),
    ],
)
def test_a_bad_schedule_is_refused(every: timedelta | None, cron: str | None) -> None:
    with pytest.raises(ValueError, match="not a schedule"):
        rule_of(every, cron)
