"""How much is measured: enough to believe it, or enough to see that it works."""

from dataclasses import dataclass

from template import CHOICES


@dataclass(frozen=True)
class Plan:
    rounds: int
    requests: int
    jobs: int
    # How often jobs are sent one by one, to see how long each takes to start.
    starts: int
    # How long a bare engine is waited for after its worker was killed.
    patience: float
    ledgers: tuple[int, ...]
    processes: tuple[int, ...]
    engines: tuple[str, ...]
    databases: tuple[str, ...]


ENGINES, DATABASES = tuple(CHOICES["engine"]), tuple(CHOICES["database"])

FULL = Plan(5, 300, 100, 40, 60, (10**3, 10**5, 10**6), (1, 2, 4), ENGINES, DATABASES)
QUICK = Plan(2, 60, 20, 10, 15, (10**3, 10**4), (1, 2), ENGINES, DATABASES[:1])
