"""When a task is due by itself: after a period, or as a cron expression says. All in UTC."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from app.db import utc_now

Rule = timedelta | str

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(seconds=1)


def next_after(rule: Rule, moment: datetime) -> datetime:
    """The same for every process that asks: a period is counted from 1970, not from a start."""
    if isinstance(rule, str):
        return next(CronSim(rule, moment))
    return moment - (moment - EPOCH) % rule + rule


def rule_of(every: timedelta | None, cron: str | None) -> Rule | None:
    if every is None and cron is None:
        return None
    if cron is None and every is not None and every >= SHORTEST:
        return every
    if every is None and cron is not None and _comes(cron):
        return cron
    raise ValueError(f"no schedule: every={every}, cron={cron!r}")


def _comes(cron: str) -> bool:
    try:
        return bool(next_after(cron, utc_now()))
    except (CronSimError, StopIteration):
        return False
