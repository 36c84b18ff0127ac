"""How long a failed job waits for its next try."""

import random
from collections.abc import Callable
from datetime import timedelta

# Given the number of tries that have failed.
Backoff = Callable[[int], timedelta]

MAX_WAIT = timedelta(minutes=10)


def exponential(failures: int) -> timedelta:
    """1, 2, 4 ... seconds."""
    return spread(min(timedelta(seconds=2 ** min(failures - 1, 30)), MAX_WAIT))


def spread(longest: timedelta) -> timedelta:
    """Up to half is left out at random, so that retries do not come together."""
    return longest * random.uniform(0.5, 1)  # noqa: S311 - not a secret
