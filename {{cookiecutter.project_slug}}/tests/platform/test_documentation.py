"""The OpenAPI document: what the author of a client reads."""

import json
import re
from typing import Any

import pytest
from fastapi import FastAPI

OF_THE_PLATFORM = {"health", "jobs", "metrics"}


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_of_the_platform_and_each_parameter_has_a_description(
    document: dict[str, Any],
) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert described >= OF_THE_PLATFORM
    for route, operation in operations(document).items():
        if OF_THE_PLATFORM.isdisjoint(operation["tags"]):
            continue
        assert operation["description"], route
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (route, parameter["name"])


def test_every_error_has_one_schema_with_examples(document: dict[str, Any]) -> None:
    for route, operation in operations(document).items():
        assert operation["responses"]["default"]["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        }, route
    for field in document["components"]["schemas"]["Problem"]["properties"].values():
        assert field["description"]
        assert field["examples"]


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == named & document["components"]["schemas"].keys()


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(ids) == len(set(ids))
