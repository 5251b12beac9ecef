"""What the engine expects of its CEL library, so that another one can take its place, or a new version be trusted."""

from typing import Any

import pytest

from app.rules.expressions import ExpressionError, Failure, Language
from app.rules.functions import STANDARD, Function

LANGUAGE = Language(STANDARD)


def value(source: str, item: Any) -> Any:
    """Return what `source` gives for `item`."""
    (only,) = LANGUAGE.together([source]).values(item)
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
        ("compare('1.10', '1.1')", 0),
        ("compare('0.1', '0.09999999999999999999')", 1),
        ("compare('-2', '1')", -1),
        ("fits_currency('1.5', 'JPY')", False),
        ("minor_units('KWD')", 3),
        ("currency_known('HRK')", True),
        ("currency_withdrawn('HRK', '2023-01-01')", True),
        ("currency_until('HRK')", "2022-12-31"),
        ("prefix('NLRTM', 2)", "NL"),
        ("prefix('N', 2)", "N"),
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
    "source", ["item.gone", "item.text + 1", "1 / item.zero", "item.list[9]", "int(item.text)", "compare('a', '1')"]
)
def test_an_evaluation_that_fails_is_a_value_and_not_an_exception(source: str) -> None:
    assert isinstance(value(source, {"text": "abc", "zero": 0, "list": []}), Failure)


def test_a_failure_is_not_mistaken_for_text_nor_text_for_a_failure() -> None:
    values = LANGUAGE.together(["item.text", "item.gone", "item.text"]).values({"text": "NOT_FOUND: no"})

    assert values[0] == values[2] == "NOT_FOUND: no"
    assert isinstance(values[1], Failure)


def test_a_function_that_raises_fails_its_own_expression_only() -> None:
    def broken(text: str) -> bool:
        raise KeyError(text)

    language = Language([Function("broken", ("string",), "bool", broken)])

    values = language.together(["broken(item.text)", "item.text == 'a'"]).values({"text": "a"})

    assert values == [Failure("UNKNOWN: 'a'"), True]


@pytest.mark.parametrize(
    ("source", "kind"),
    [("item.a == 1", "bool"), ("item.a", "dyn"), ("1 + 1", "int"), ("'a'", "string"), ("1.5", "double")],
)
def test_types_are_known_before_there_is_an_item(source: str, kind: str) -> None:
    assert LANGUAGE.check(source, each=False) == kind


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("unknown", "line 1, column 1: "),
        ("1.0 > 1", "line 1, column 5: "),
        ("compare(1, '2')", "line 1, column 8: "),
        ("item.a\n  +", "line 2, column 4: "),
        ("", "line 1, column 1: "),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place(source: str, place: str) -> None:
    with pytest.raises(ExpressionError) as error:
        LANGUAGE.check(source, each=False)

    assert str(error.value).startswith(place)


def test_loops_without_end_are_stopped() -> None:
    source = "item.all(a, item.all(b, item.all(c, item.all(d, true))))"

    assert isinstance(value(source, list(range(200))), Failure)


def test_a_pattern_takes_linear_time() -> None:
    assert value("item.matches('^(a+)+$')", "a" * 5000 + "b") is False
