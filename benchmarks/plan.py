"""How much is measured: enough to believe it, or enough to see that it works."""

from dataclasses import dataclass

from template import CHOICES


@dataclass(frozen=True)
class Plan:
    rounds: int
    # Of figures that take long.
    few_rounds: int
    # Of figures whose goal is a difference of a few percent.
    many_rounds: int
    # Of each round: requests at a time, jobs at a time, and what is sent one by one.
    requests: int
    jobs: int
    singles: int
    # How often a worker is killed, and how long a bare engine is watched after its worker was.
    kills: int
    patience: float
    ledgers: tuple[int, ...]
    processes: tuple[int, ...]
    engines: tuple[str, ...]
    databases: tuple[str, ...]
    # What takes minutes, and is measured only if it is asked for.
    leaves_out: tuple[str, ...]


ENGINES, DATABASES = tuple(CHOICES["engine"]), tuple(CHOICES["database"])

FULL = Plan(
    rounds=6,
    few_rounds=3,
    many_rounds=15,
    requests=150,
    jobs=100,
    singles=20,
    kills=4,
    patience=40,
    ledgers=(10**3, 10**5, 10**6),
    processes=(1, 2, 4),
    engines=ENGINES,
    databases=DATABASES,
    leaves_out=(),
)
# One engine without a broker and one with it; others if they are asked for.
QUICK = Plan(
    rounds=2,
    few_rounds=2,
    many_rounds=2,
    requests=60,
    jobs=20,
    singles=10,
    kills=1,
    patience=15,
    ledgers=(10**3, 10**4),
    processes=(1, 2),
    engines=ENGINES[:2],
    databases=DATABASES[:1],
    leaves_out=("green", "why"),
)
