"""Where the CPU of one request and of one job goes, by package: why a goal is not met.

The web process of `background` is profiled while it answers requests and while it runs jobs that do
nothing. The reference is the lean app. `cProfile` gives the share of each package, including the C
functions that it calls; the sum is the CPU that the process uses without the profiler.

- **Requests**: the difference to the lean app is what the service adds. SQLAlchemy's unit of work
  turns objects into rows and rows into objects. Each request has a log line, an id, metrics and a
  token check. `POST /users` also runs the two jobs that it enqueues; the lean app runs none. For
  all of this, an idle service answers a few milliseconds later, and a busy one needs a second
  process earlier.
- **Jobs**: each job takes two statements, each of them committed to disk. The first one claims the
  job, so that no other process runs it. The second one records its outcome, so that it never runs
  again. They cost the same for a job of a millisecond as for a job of a minute, so the shorter the
  job, the lower the ratio. Jobs that start or end together share a statement and its commit, so ten
  at a time cost less each. Celery and RQ run one at a time in a process.
"""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison
from benchmarks.figures.requests import LEAN, OPEN, got, new_user_path, posted
from benchmarks.load import call
from benchmarks.senders import WebSender
from benchmarks.services import lean_app, running, wait_for_jobs

TITLE = "Where the CPU goes"
GOALS = ()
# Packages with a smaller share are added up.
LEAST_SHARE = 0.04
FEW = 20

Profile = dict[str, float]


def measure(bench: Bench) -> Iterator[Comparison]:
    engine, count = bench.plan.engines[0], 2 * bench.plan.requests
    for database in bench.plan.databases:
        bench.say(f"profile: {database}")
        with running(bench.project(engine, database)) as service, lean_app(service) as lean:
            subjects = {
                "POST /users": [
                    (service.url, partial(posted, service.url, count, until=OPEN)),
                    (lean, partial(posted, lean, count)),
                ],
                "GET /users/{id}": [
                    (url, partial(got, url, new_user_path(url), count))
                    for url in (service.url, lean)
                ],
            }
            if service.runs_jobs_in_web:
                one_by_one = partial(run_one_by_one, service.url, count)
                subjects["no-op job, one at a time"] = [(service.url, one_by_one)]
                side_by_side = partial(WebSender.of(service).run, count, 0)
                subjects["no-op job, ten at a time"] = [(service.url, side_by_side)]
            for what, loads in subjects.items():
                profiles = [profiled(url, load, count) for url, load in loads]
                yield from rows([database, what], *profiles)


def run_one_by_one(url: str, count: int) -> None:
    """On `background`, a few jobs of one request run one after the other."""
    for _ in range(count // FEW):
        call(url, "POST", "/probes", {"count": FEW, "seconds": 0})
        wait_for_jobs(url)


def rows(case: list[str], own: Profile, lean: Profile | None = None) -> Iterator[Comparison]:
    against = LEAN if lean else NO_REFERENCE
    least = LEAST_SHARE * sum(own.values())
    parts = [part for part, value in own.items() if value >= least]
    for part in sorted(parts, key=own.__getitem__, reverse=True):
        # A clock's noise is no reference.
        reference = [lean[part]] if lean and lean.get(part, 0) >= 1 else []
        yield Comparison([*case, part], "µs", against, [own[part]], reference)
    for name, left_out in (("everything else", parts), ("all", [])):
        sums = [[total(profile, left_out)] for profile in (own, lean) if profile]
        yield Comparison([*case, name], "µs", against, *sums)


def total(profile: Profile, left_out: list[str]) -> float:
    return sum(value for part, value in profile.items() if part not in left_out)


def profiled(url: str, load: Callable[[], object], count: int) -> Profile:
    """Microseconds of CPU by package, for each request or job."""
    load()
    began = call(url, "GET", "/cpu")
    load()
    microseconds = 1e6 * (call(url, "GET", "/cpu") - began) / count
    call(url, "POST", "/profile/start")
    load()
    found = call(url, "POST", "/profile/stop")
    return {part: microseconds * each / sum(found.values()) for part, each in found.items()}
