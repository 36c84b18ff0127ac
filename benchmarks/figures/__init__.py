"""The figures, in the order of the page. Each module says in its docstring what it measures."""

from types import ModuleType

from benchmarks.figures import green, growth, jobs, recovery, rendering, requests, responses

FIGURES: tuple[ModuleType, ...] = (
    rendering,
    green,
    requests,
    responses,
    jobs,
    recovery,
    growth,
)
