import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth import guard
from app.auth.scopes import Scope
from ops.openapi import FILE, described, text
from tests.api.calls import told
from tests.applications import logging_kept


@pytest.fixture
def spec(client: FlaskClient) -> dict[str, Any]:
    """The description as it is served."""
    return dict(told(client.get("/api/openapi.json")))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_the_description_is_open_api_3_1(spec: dict[str, Any]) -> None:
    assert spec["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(spec["info"])


def test_every_reference_in_the_description_leads_somewhere(spec: dict[str, Any]) -> None:
    references = [node["$ref"] for node in nodes(spec) if "$ref" in node]

    assert references
    for reference in references:
        target: Any = spec
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_schema_in_the_description_is_a_json_schema(spec: dict[str, Any]) -> None:
    for schema in spec["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)  # OpenAPI 3.1 schemas are JSON Schema 2020-12, the default dialect.


def test_every_route_is_described_with_its_scope(app: Flask, spec: dict[str, Any]) -> None:
    described = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        access = guard.access(app.view_functions[rule.endpoint])
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            security = spec["paths"][path][method.lower()]["security"]
            needed = [{"bearer": [access]}, {"api_key": [access]}] if isinstance(access, Scope) else []
            assert security == needed, rule
            described.add(path)
    assert described == set(spec["paths"])


def test_both_ways_to_carry_a_token_are_described(spec: dict[str, Any]) -> None:
    schemes = spec["components"]["securitySchemes"]

    assert set(schemes) == {"bearer", "api_key"}
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert "JWT" in schemes["bearer"]["bearerFormat"]
    assert "rpt_" in schemes["bearer"]["bearerFormat"]
    assert [schemes["api_key"][name] for name in ("type", "in", "name")] == ["apiKey", "header", "X-API-Key"]


def test_every_operation_has_a_name_of_its_own(spec: dict[str, Any]) -> None:
    operations = [item[method] for item in spec["paths"].values() for method in item if method != "parameters"]

    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) > 30


def test_errors_are_described_as_problems(spec: dict[str, Any]) -> None:
    for path in spec["paths"].values():
        for operation in (path[method] for method in ("get", "post") if method in path):
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/DEFAULT_ERROR"}
    assert set(spec["components"]["responses"]["DEFAULT_ERROR"]["content"]) == {"application/problem+json"}


def test_the_committed_description_is_what_is_served(spec: dict[str, Any]) -> None:
    committed = json.loads(FILE.read_bytes())
    parts = {
        f"{kind} {name}"
        for kind in ("paths", "components")
        for name in committed[kind].keys() | spec[kind].keys()
        if committed[kind].get(name) != spec[kind].get(name)
    }

    if text(spec) != FILE.read_bytes():
        pytest.fail(
            f"docs/openapi.json is not what the API serves ({', '.join(sorted(parts)) or 'its head'}). "
            "Is that meant? Then write it anew: ops/python -m ops.openapi"
        )


def test_the_description_can_be_had_without_a_server(spec: dict[str, Any]) -> None:
    with logging_kept():
        assert described() == spec


def test_the_description_is_not_sent_again_to_whoever_has_it(client: FlaskClient) -> None:
    first = client.get("/api/openapi.json")

    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    other = client.get("/api/openapi.json", headers={"If-None-Match": '"another release"'})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (other.status_code, other.data) == (200, first.data)


def test_the_description_may_be_kept_for_a_while(client: FlaskClient) -> None:
    first = client.get("/api/openapi.json")
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert {reply.headers["Cache-Control"] for reply in (first, again)} == {"public, max-age=300"}
