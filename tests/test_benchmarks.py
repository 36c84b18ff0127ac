"""`make bench` measures, and writes what it has measured."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from template import CHOICES, ROOT

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, alternating, spread
from benchmarks.figures import FIGURES, requests
from benchmarks.page import Run, Section, significant, write_page
from benchmarks.plan import ENGINES, QUICK
from benchmarks.profiles import Explanation, Profile, Touched, Wait
from benchmarks.record import load, save
from benchmarks.scaling import scaling

BENCHMARKS = ROOT / "benchmarks"
SMALLEST = replace(QUICK, rounds=1, few_rounds=1, requests=10, engines=ENGINES[:1])
AT_LEAST_HALF = Goal(least=0.5)


def row(ours: list[float], reference: list[float], goal: Goal | None = None) -> Comparison:
    return Comparison(["arq", "sqlite", "a & b"], "jobs/s", "bare arq", ours, reference, goal)


def run_with(*comparisons: Comparison) -> Run:
    section = Section("jobs", "Jobs", "What is measured.", [*comparisons])
    profile = Profile("no-op job", {"sqlalchemy": 1500.0})
    wait = Wait("sqlite, one at a time", {"claim": 2.5, "end": 3.5, "all": 62.5, "work": 50})
    sizes = [
        Touched("GET", 10, {"cpu": 200.0, "read": 0}),
        Touched("GET", 99, {"cpu": 250.0, "read": 3}),
    ]
    why = Explanation({"sqlite": [profile]}, [Profile("arq", {"redis": 250.0})], [wait], sizes)
    return Run([section], why, {"Python": "3.11.7"}, "2 cores", 10, 0.1, 0.125)


def test_rounds_alternate_after_one_that_warms_up() -> None:
    calls: list[str] = []
    found = alternating(2, lambda: calls.append("a"), lambda: calls.append("b"))
    assert calls == ["a", "b"] * 3
    assert [len(each) for each in found] == [2, 2]


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    found = spread([5, 1, 4, 2, 3])
    assert (found.low, found.median, found.high) == (2, 3, 4)
    assert spread([7]).median == 7


def test_a_ratio_compares_figures_of_the_same_round() -> None:
    assert row([1, 10], [2, 20]).ratios == [0.5, 0.5]


@pytest.mark.parametrize(
    ("goal", "reference", "is_met"),
    [
        (AT_LEAST_HALF, [2.0], True),
        (AT_LEAST_HALF, [3.0], False),
        (AT_LEAST_HALF, [], None),
        (Goal(most=20, of="ours"), [], True),
        (None, [1.0], None),
    ],
)
def test_a_goal_is_met_or_not_or_cannot_be_told(
    goal: Goal | None, reference: list[float], is_met: bool | None
) -> None:
    assert row([1.0], reference, goal).is_met is is_met


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.6, "12,346"), (99.94, "99.9"), (0.04567, "0.0457")]
)
def test_figures_have_three_digits(value: float, shown: str) -> None:
    assert significant(value) == shown


def test_the_page_tells_what_was_met_what_was_not_and_what_has_no_reference(
    tmp_path: Path,
) -> None:
    met, missed = row([3.0], [4.0], AT_LEAST_HALF), row([1.0], [4.0], AT_LEAST_HALF)
    write_page(run_with(met, missed, row([1.0], [], AT_LEAST_HALF)), tmp_path)
    page = (tmp_path / "PERFORMANCE.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| arq, sqlite")]
    said = [line.split(" | ")[5] for line in lines]
    assert said == ["≥ 0.5: met", "≥ 0.5: **not met**", "≥ 0.5: nothing to compare with"]
    assert "**in 1 of 2 cases** | arq, sqlite, a & b: 0.25" in page
    assert "| sqlalchemy | 1,500 |" in page
    assert "| redis | 250 |" in page
    assert "| sqlite, one at a time | 2.5 | 3.5 | 62.5 | 0.8 |" in page
    assert "| GET | 99 | 250 (1.25) | 3 |" in page
    assert "others on the same hardware had 12% of the cores' time" in page


def test_a_plot_has_a_dot_for_each_ratio(tmp_path: Path) -> None:
    write_page(run_with(row([3.0, 4.0], [4.0, 4.0]), row([1.0], [])), tmp_path)
    plot = ElementTree.parse(tmp_path / "performance" / "jobs.svg")  # noqa: S314 - our own
    assert len(plot.findall(".//{*}circle")) == 1
    assert "arq, sqlite, a & b" in [text.text for text in plot.findall(".//{*}text")]


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    run = run_with(row([3.0], [4.0], AT_LEAST_HALF), row([1.0], []))
    save(run, tmp_path / "build" / "bench.json")
    assert load(tmp_path / "build" / "bench.json") == run


def test_what_a_machine_carries_follows_from_the_figures() -> None:
    place = ["arq", "sqlite"]
    cost = Comparison([*place, "ledger, CPU per job"], "µs", "", [3000.0])
    jobs = Comparison([*place, "no-op, asynchronous"], "jobs/s", "", [100.0])
    users = Comparison([*place, "POST /users"], "requests/s", "", [200.0])
    grown = Comparison(["sqlite", "1,000 rows"], "jobs/s", "", [9.0], [10.0], goal=Goal(least=0.9))
    again = Comparison(["sqlite", "10 rows again"], "jobs/s", "", [9.5], [10.0])
    found = {"jobs": [cost, jobs], "requests": [users], "growth": [again, grown]}
    sections = [Section(name, name, "", rows) for name, rows in found.items()]
    page = scaling(Run(sections, None, {}, "2 cores", 10, 0, 0))
    assert "| arq, sqlite | 200 | 50 | 432,000 |" in page
    assert "costs 3.0 ms of CPU in the ledger" in " ".join(page.split())
    assert "small ones have 0.95 to 0.95 of each other's" in page


def test_every_figure_is_listed_and_says_what_it_measures() -> None:
    names = {path.stem for path in (BENCHMARKS / "figures").glob("*.py")} - {"__init__"}
    assert {figure.__name__.rpartition(".")[2] for figure in FIGURES} == names
    assert all(figure.__doc__ and figure.TITLE for figure in FIGURES)


def test_references_are_those_of_engines() -> None:
    of_engines = {path.stem for path in (BENCHMARKS / "bare").glob("*.py")} - {"command", "lean"}
    assert of_engines <= {*CHOICES["engine"]}


def test_requests_are_measured_beside_the_lean_app(tmp_path: Path) -> None:
    found = [*requests.measure(Bench(SMALLEST, tmp_path))]
    cases = [comparison.case[2] for comparison in found if comparison.goal]
    assert cases == ["POST /users", "GET /users/{id}"]
    assert all(rate > 0 for comparison in found for rate in comparison.ratios)
