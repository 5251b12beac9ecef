"""Differences: the operations make the one definition of the other, and the summary says what an author asks first."""

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import json
from app.authoring.differences import operations, summary

NAMES = st.sampled_from(["a", "b", "a/b", "m~n", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, -1, "0", "x"]),
    lambda below: st.lists(below, max_size=5) | st.dictionaries(NAMES, below, max_size=4),
    max_leaves=20,
)


def rule(name: str, expr: str = "true") -> dict[str, Any]:
    """Return a rule."""
    return {"id": name, "expr": expr, "message": "No.", "severity": "error", "pointer": ""}


def applied(operations: list[dict[str, Any]], document: Any) -> Any:
    """Return what the operations make of the document, by RFC 6902 §4."""
    document = {"": copy.deepcopy(document)}
    for operation in operations:
        *above, last = [step.replace("~1", "/").replace("~0", "~") for step in ("/" + operation["path"]).split("/")[1:]]
        # The document is the member "" of what holds it: so the whole of it can be replaced like any other value.
        holder: Any = document
        for step in above:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        key: Any = int(last) if isinstance(holder, list) else last
        match operation["op"]:
            case "add" if isinstance(holder, list):
                assert key <= len(holder)
                holder.insert(key, operation["value"])
            case "add":
                assert key not in holder
                holder[key] = operation["value"]
            case "replace":
                holder[key] = operation["value"]
            case "remove":
                del holder[key]
    return document[""]


@given(VALUES, VALUES)
def test_the_operations_make_the_new_of_the_old(old: Any, new: Any) -> None:
    assert json.canonical(applied(operations(old, new), old)) == json.canonical(new)


@given(VALUES)
def test_nothing_is_to_do_where_nothing_differs(value: Any) -> None:
    assert operations(value, copy.deepcopy(value)) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a/b": 1}, {}, [{"op": "remove", "path": "/a~1b"}]),
        ({}, {"m~n": 1}, [{"op": "add", "path": "/m~0n", "value": 1}]),
        ([1, 2, 3], [1, 9, 2, 3], [{"op": "add", "path": "/1", "value": 9}]),
        ([1, 2, 3], [1, 3], [{"op": "remove", "path": "/1"}]),
        ([1, 2], [1, 2, 3], [{"op": "add", "path": "/2", "value": 3}]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [{"op": "replace", "path": "/a/0/b", "value": 2}]),
        (1, "1", [{"op": "replace", "path": "", "value": "1"}]),
    ],
)
def test_a_small_change_is_a_small_operation(old: Any, new: Any, expected: list[dict[str, Any]]) -> None:
    assert operations(old, new) == expected


def test_the_summary_names_rules_that_came_went_and_changed() -> None:
    old = {"title": "T", "schema": True, "rules": [rule("kept"), rule("went"), rule("changed")]}
    new = {"title": "T", "schema": False, "rules": [rule("came"), rule("kept"), rule("changed", "false")], "facts": {}}

    told = summary(old, new)

    assert told == {
        "parts": ["facts", "rules", "schema"],
        "rules": {"added": ["came"], "removed": ["went"], "changed": ["changed"]},
        "across": {"added": [], "removed": [], "changed": []},
    }


@pytest.mark.parametrize("rules", [None, 3, "rules", {"id": "x"}, [None, [], {}, {"id": 3}, {"id": ["x"]}]])
def test_a_draft_that_is_wrong_in_any_way_has_a_summary(rules: Any) -> None:
    told = summary({"rules": [rule("one")]}, {"rules": rules})

    assert told["rules"] == {"added": [], "removed": ["one"], "changed": []}


def test_long_lists_that_have_nothing_in_common_take_no_long_time() -> None:
    old, new = {"a": [0, 1] * 10_000}, {"a": [1, 0, 0] * 10_000}
    started = time.monotonic()

    found = operations(old, new)

    assert found
    assert time.monotonic() - started < 20
