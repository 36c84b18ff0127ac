"""How much is measured: enough to rely on it, or just enough to see that it works."""

from dataclasses import dataclass
from itertools import cycle, product

from template import CHOICES

ENGINES, DATABASES = tuple(CHOICES["engine"]), tuple(CHOICES["database"])


@dataclass(frozen=True)
class Plan:
    rounds: int = 6
    # For figures that take long, and for those whose goal is a difference of a few percent.
    few_rounds: int = 3
    many_rounds: int = 12
    # In each round: requests, requests of many clients, jobs that are sent at once, and jobs that
    # are sent one by one.
    requests: int = 150
    crowd: int = 400
    jobs: int = 200
    singles: int = 15
    # How often a worker is killed, and how long a service is left alone.
    kills: int = 4
    idle_seconds: float = 60
    # Finished jobs in a small ledger and in a large one.
    few_rows: int = 10**3
    many_rows: int = 10**6
    # Web processes that are compared with one.
    webs: tuple[int, ...] = (2,)
    engines: tuple[str, ...] = ENGINES
    databases: tuple[str, ...] = DATABASES
    # Figures that take minutes, and must be asked for.
    leaves_out: tuple[str, ...] = ()

    @property
    def places(self) -> list[tuple[str, str]]:
        return [*product(self.engines, self.databases)]

    @property
    def some_places(self) -> list[tuple[str, str]]:
        """Each engine on one database, in turn, and the first one on each database."""
        in_turn = {*zip(self.engines, cycle(self.databases), strict=False)}
        return [place for place in self.places if place in in_turn or place[0] == self.engines[0]]


FULL = Plan()
QUICK = Plan(
    rounds=2,
    few_rounds=2,
    many_rounds=2,
    requests=60,
    crowd=150,
    jobs=40,
    singles=10,
    kills=1,
    idle_seconds=10,
    many_rows=10**4,
    webs=(2,),
    # One without a broker and one with a broker.
    engines=ENGINES[:2],
    databases=DATABASES[:1],
    leaves_out=("green",),
)
