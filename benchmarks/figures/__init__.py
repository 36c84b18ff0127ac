"""The figures, in the order of the page. The docstring of each module is its text on the page."""

from benchmarks.figures import green, growth, idle, jobs, profile, recovery, requests, responses

FIGURES = {
    figure.__name__.rpartition(".")[2]: figure
    for figure in (green, requests, responses, jobs, recovery, idle, growth, profile)
}
