"""The dashboard and the alerts in ops/ use metrics and labels that exist."""

import json
import re

import httpx
import pytest

from tests.platform.scrape import Scrape
from tests.support.processes import PROJECT

OPS = PROJECT / "ops"
DASHBOARD = OPS / "grafana-dashboard.json"
# Prometheus adds them to every sample.
ADDED = {"job", "instance"}

SELECTOR = re.compile(r"\{([^}]*)\}")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
WINDOW = re.compile(r"\[[^]]*\]")
METRIC = re.compile(r"\b[a-z_]+\b(?!\s*\()")


def queries(text: str) -> list[str]:
    """The queries of a dashboard or of alerts. An alert may have several lines."""
    if text.startswith("{"):
        panels = json.loads(text)["panels"]
        return [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return re.findall(r"expr: (?:>-)?(.+?)\n +(?:for|annotations):", text, re.DOTALL)


def metrics_of(query: str) -> set[str]:
    for part in (SELECTOR, GROUPING, WINDOW):
        query = part.sub(" ", query)
    return set(METRIC.findall(query))


def labels_of(query: str) -> set[str]:
    selected = [label for matched in SELECTOR.findall(query) for label in matched.split(",")]
    grouped = [label for matched in GROUPING.findall(query) for label in matched.split(",")]
    return {re.split("[=!]", label)[0].strip() for label in [*selected, *grouped]}


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "alerts.yaml"])
async def test_every_query_uses_existing_metrics_and_labels(
    client: httpx.AsyncClient, file: str
) -> None:
    await client.get("/health/live")
    scraped = Scrape((await client.get("/metrics")).text)
    asked = queries((OPS / file).read_text())
    assert asked
    for query in asked:
        assert metrics_of(query)
        assert metrics_of(query) <= scraped.names, query
        labels = set().union(*(scraped.labels(name) for name in metrics_of(query)))
        assert labels_of(query) <= labels | ADDED, query


def test_the_dashboard_takes_its_data_source_from_a_variable() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    sources = set(re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text()))
    assert sources == {"${datasource}"}
    assert {"datasource", "job"} == {found["name"] for found in dashboard["templating"]["list"]}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
