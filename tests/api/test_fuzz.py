"""Any JSON, and much that is none, for every operation that takes some: never 5xx, and a problem for what is refused.

The operations are those of the description. What is sent is what it asks for, with anything else in some places.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.auth.scopes import Scope
from app.database import Database
from app.models.base import new_id
from ops.openapi import FILE
from tests.api.authors import put, unused
from tests.api.calls import bearer
from tests.factories import issue_token

Auth = dict[str, str]
SPEC: dict[str, Any] = json.loads(FILE.read_bytes())
EXAMPLES = 25

ODD: list[Any] = [
    "",
    "\x00",
    "\ud800",
    "\u202e",
    "fx_rate",
    "fx_rate@1",
    "x" * 5_000,
    2**63,
    2**64,
    10**400,
    -0.0,
    1e308,
]
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(ODD)
ANY = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def operations() -> list[tuple[str, str]]:
    """Return path and method of whatever takes JSON."""
    return [
        (path, method)
        for path, item in SPEC["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def schema_of(path: str, method: str) -> dict[str, Any]:
    return dict(SPEC["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"])


def like(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return JSON that is mostly what the schema asks for."""
    return st.one_of(meant(schema), meant(schema), meant(schema), ANY)


def meant(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return JSON of the kind that the schema names."""
    if "$ref" in schema:
        return meant(SPEC["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return st.one_of(*map(meant, schema[several]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of(*(meant({**schema, "type": each}) for each in kind))
    if kind == "object":
        members = {name: like(inner) for name, inner in schema.get("properties", {}).items()}
        needed = {name: members.pop(name) for name in schema.get("required", ()) if name in members}
        known = st.fixed_dictionaries(needed, optional=members)
        more = st.dictionaries(st.text(max_size=8), ANY, max_size=2)
        return known | known | st.builds(lambda one, other: {**one, **other}, known, more)
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        "array": st.lists(st.deferred(lambda: like(schema.get("items", {}))), max_size=4),
        "string": st.text(max_size=30) | st.sampled_from([text for text in ODD if isinstance(text, str)]),
        "integer": st.integers(),
        "number": st.floats(),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return kinds.get(kind, ANY)


@pytest.fixture(scope="module")
def everything(database: Database) -> Auth:
    """The headers of a client that may do everything."""
    return bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))


def test_there_are_operations_that_take_json() -> None:
    assert ("/api/validation/validate", "post") in operations()
    assert len(operations()) >= 6


@pytest.mark.parametrize(("path", "method"), operations())
def test_no_body_breaks_an_operation(client: FlaskClient, everything: Auth, path: str, method: str) -> None:
    name = unused()
    assert put(client, everything, name).status_code == 201
    ids = {"name": name, "version": "1"}
    url = path.format_map({word: ids.get(word, str(new_id())) for word in words(path)})
    headers = {**everything, "If-Match": "*"}

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(like(schema_of(path, method)).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50))
    def send(body: bytes) -> None:
        reply = client.open(url, method=method.upper(), data=body, content_type="application/json", headers=headers)

        assert reply.status_code < 500, reply.text
        if reply.status_code >= 300:
            assert reply.mimetype == "application/problem+json"
            assert reply.get_json()["status"] == reply.status_code

    send()


def words(path: str) -> list[str]:
    """Return the names of the path's parameters."""
    return [step[1:-1] for step in path.split("/") if step.startswith("{")]
