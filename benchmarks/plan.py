"""How much is measured: enough to rely on it, or just enough to see that it works."""

from dataclasses import dataclass

from template import CHOICES

ENGINES, DATABASES = tuple(CHOICES["engine"]), tuple(CHOICES["database"])


@dataclass(frozen=True)
class Plan:
    rounds: int = 6
    # For figures that take long, and for those whose goal is a difference of a few percent.
    few_rounds: int = 3
    many_rounds: int = 15
    # In each round: requests, jobs that are sent at once, and jobs that are sent one by one.
    requests: int = 150
    jobs: int = 100
    singles: int = 20
    # How often a worker is killed.
    kills: int = 4
    # Finished jobs in a small ledger and in a large one.
    few_rows: int = 10**3
    many_rows: int = 10**6
    # Web processes that are compared with one.
    webs: tuple[int, ...] = (2, 4)
    engines: tuple[str, ...] = ENGINES
    databases: tuple[str, ...] = DATABASES
    # Figures that take minutes, and must be asked for.
    leaves_out: tuple[str, ...] = ()


FULL = Plan()
QUICK = Plan(
    rounds=2,
    few_rounds=2,
    many_rounds=2,
    requests=60,
    jobs=20,
    singles=10,
    kills=1,
    many_rows=10**4,
    webs=(2,),
    # One without a broker and one with a broker.
    engines=ENGINES[:2],
    databases=DATABASES[:1],
    leaves_out=("green",),
)
