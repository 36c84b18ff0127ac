"""On PYTHONPATH, it sets the clock of a process: ahead of the machine's by what a file says."""

import datetime
import os
import time
from pathlib import Path
from typing import Any

SECONDS_AHEAD = Path(os.environ["PROBE_CLOCK"])
machine_time, machine_datetime = time.time, datetime.datetime


def now() -> float:
    return machine_time() + float(SECONDS_AHEAD.read_text())


class Type(type):
    """The drivers of databases make datetimes without asking this module."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, machine_datetime)


class Datetime(machine_datetime, metaclass=Type):
    @classmethod
    def now(cls, tz: Any = None) -> "Datetime":
        return cls.fromtimestamp(now(), tz)

    @classmethod
    def utcnow(cls) -> "Datetime":
        return cls.fromtimestamp(now(), datetime.UTC).replace(tzinfo=None)


time.time = now
time.time_ns = lambda: int(now() * 1e9)
datetime.datetime = Datetime  # type: ignore[misc]
