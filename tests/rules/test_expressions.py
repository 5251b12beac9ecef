"""What the engine expects of its CEL library, so that another one can take its place, or a new version be trusted."""

from typing import Any

import pytest

from app.rules.expressions import ExpressionError, Expressions, Failure, check


def value(source: str, item: Any) -> Any:
    """Return what `source` gives for `item`."""
    (only,) = Expressions([source]).values(item)
    return only


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("item.text", "Größe €"),
        ("item.whole", 7),
        ("item.half", 0.5),
        ("item.yes", True),
        ("item.none", None),
        ("item.list", [1, "b", [2.5]]),
        ("item.map", {"k": {"n": 1}}),
        ("item['a b']", 1),
        ("item.largest", 2**63 - 1),
        ("item.smallest", -(2**63)),
        ("has(item.text) && !has(item.gone)", True),
        ("item.gone == 1 || true", True),
        ("false && item.gone == 1", False),
        ("item.list.size()", 3),
        ("item.list.exists(x, x == 'b')", True),
        ("item.whole in [7, 8]", True),
        ("item.text.matches('^Gr')", True),
        ("item.text.startsWith('Gr')", True),
        ("'2025-12-31' < '2026-01-01'", True),
        ("item.largest - 1 < item.largest", True),
        ("timestamp('2026-01-01T00:00:00Z') - timestamp('2025-01-01T00:00:00Z') == duration('8760h')", True),
    ],
)
def test_an_expression_gives_a_plain_value(source: str, expected: Any) -> None:
    item = {
        "text": "Größe €", "whole": 7, "half": 0.5, "yes": True, "none": None, "list": [1, "b", [2.5]],
        "map": {"k": {"n": 1}}, "a b": 1, "largest": 2**63 - 1, "smallest": -(2**63),
    }  # fmt: skip

    given = value(source, item)

    assert given == expected
    assert type(given) is type(expected)


@pytest.mark.parametrize(
    "source", ["item.gone", "item.text + 1", "1 / item.zero", "item.list[9]", "int(item.text)", "timestamp(item.text)"]
)
def test_an_evaluation_that_fails_is_a_value_and_not_an_exception(source: str) -> None:
    assert isinstance(value(source, {"text": "abc", "zero": 0, "list": []}), Failure)


def test_a_failure_is_not_mistaken_for_text_nor_text_for_a_failure() -> None:
    values = Expressions(["item.text", "item.gone", "item.text"]).values({"text": "NOT_FOUND: no"})

    assert values[0] == values[2] == "NOT_FOUND: no"
    assert isinstance(values[1], Failure)


def test_a_failure_is_its_own_expressions_only() -> None:
    values = Expressions(["item.a / 0 == 1", "item.a == 1", "item.gone"]).values({"a": 1})

    assert values[1] is True
    assert isinstance(values[0], Failure)
    assert isinstance(values[2], Failure)


@pytest.mark.parametrize(
    ("source", "kind"),
    [("item.a == 1", "bool"), ("item.a", "dyn"), ("1 + 1", "int"), ("'a'", "string"), ("1.5", "double")],
)
def test_types_are_known_before_there_is_an_item(source: str, kind: str) -> None:
    assert check(source, each=False).kind == kind


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("unknown", "line 1, column 1: "),
        ("1.0 > 1", "line 1, column 5: "),
        ("size(1)", "line 1, column 5: "),
        ("item.a\n  +", "line 2, column 4: "),
        ("", "line 1, column 1: "),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place(source: str, place: str) -> None:
    with pytest.raises(ExpressionError) as error:
        check(source, each=False)

    assert str(error.value).startswith(place)


def test_loops_without_end_are_stopped() -> None:
    source = "item.all(a, item.all(b, item.all(c, item.all(d, true))))"

    assert isinstance(value(source, list(range(200))), Failure)


def test_a_pattern_takes_linear_time() -> None:
    assert value("item.matches('^(a+)+$')", "a" * 5000 + "b") is False
