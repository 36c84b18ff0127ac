"""When a scheduled task is due: at multiples of a period, or by a cron expression. All in UTC."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from app.database import utc_now

Rule = timedelta | str

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_PERIOD = timedelta(seconds=1)


def next_after(rule: Rule, moment: datetime) -> datetime:
    """The same in every process: a period is counted from 1970, not from a start."""
    if isinstance(rule, str):
        return next(CronSim(rule, moment))
    return moment - (moment - EPOCH) % rule + rule


def rule_of(every: timedelta | None, cron: str | None) -> Rule | None:
    match every, cron:
        case None, None:
            return None
        case timedelta(), None if every >= MIN_PERIOD:
            return every
        case None, str():
            with suppress(CronSimError, StopIteration):  # no expression, or it never occurs
                next_after(cron, utc_now())
                return cron
    raise ValueError(f"not a schedule: every={every}, cron={cron!r}")
