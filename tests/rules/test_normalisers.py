"""Normalisers: made in the order given, reported one by one, on a copy."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules import RuleSetError, compile_rules
from app.rules.normalisers import MOST_FIXES, Normalisers
from tests.rules.makers import definition
from tests.rules.test_any_value import VALUES


def rules(*apply: str, pointer: str = "/a", **more: str) -> list[dict[str, Any]]:
    """Return the normalisers of one place."""
    return [{"pointer": pointer, "apply": list(apply), **more}]


@pytest.mark.parametrize(
    ("apply", "text", "fixed"),
    [
        (["trim"], "\u00a0 a  b\t\ufeff", "a  b"),
        (["squeeze"], " a \u00a0\n b ", " a b "),
        (["squeeze"], " ", " "),
        (["upper"], "eur", "EUR"),
        (["lower"], "EUR", "eur"),
        (["number"], "1.200,50", "1200.50"),
        (["number"], "1,234", "1,234"),
        (["number"], " 5,5 ", " 5,5 "),
        (["trim", "number"], " 5,5 ", "5.5"),
        (["squeeze", "trim"], "  a  b  ", "a b"),
    ],
)
def test_a_text_is_corrected(apply: list[str], text: str, fixed: str) -> None:
    item, _ = Normalisers(rules(*apply)).applied({"a": text})

    assert item == {"a": fixed}


def test_a_declared_locale_says_which_number_is_meant() -> None:
    item, findings = Normalisers(rules("number", locale="de")).applied({"a": "1,234"})

    assert item == {"a": "1.234"}
    assert [each.code for each in findings] == ["fix.number"]


def test_every_fix_is_a_finding_in_the_order_they_were_made() -> None:
    item, findings = Normalisers(rules("trim", "upper")).applied({"a": " eur "})

    assert item == {"a": "EUR"}
    assert [(each.code, each.severity, each.pointer, each.params) for each in findings] == [
        ("fix.trim", "info", "/a", {"from": " eur ", "to": "eur"}),
        ("fix.upper", "info", "/a", {"from": "eur", "to": "EUR"}),
    ]


def test_elements_of_a_list_are_corrected_and_the_item_given_is_not() -> None:
    given = {"l": [{"c": "baf", "d": 1}, {"c": "THC"}, "baf", {"x": "baf"}], "n": {"c": "baf"}}
    before = copy.deepcopy(given)

    item, findings = Normalisers(rules("upper", pointer="/l/*/c")).applied(given)

    assert given == before
    assert item == before | {"l": [{"c": "BAF", "d": 1}, {"c": "THC"}, "baf", {"x": "baf"}]}
    assert [each.pointer for each in findings] == ["/l/0/c"]


def test_an_item_that_needs_nothing_is_given_back() -> None:
    given = {"a": "EUR", "l": [{"c": "X"}]}

    item, findings = Normalisers(rules("upper") + rules("trim", pointer="/l/*/c")).applied(given)

    assert item is given
    assert findings == ()


def test_a_rule_set_without_normalisers_changes_nothing() -> None:
    given = {"a": " eur "}

    assert compile_rules(definition()).normalised(given) == (given, ())


def test_fixes_beyond_those_that_can_be_reported_are_not_made() -> None:
    given = {"l": [{"c": "x"} for _ in range(MOST_FIXES + 5)]}

    item, findings = Normalisers(rules("upper", pointer="/l/*/c")).applied(given)

    assert len(findings) == MOST_FIXES
    assert [each["c"] for each in item["l"]] == ["X"] * MOST_FIXES + ["x"] * 5


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (rules("upper", "lower"), "/normalisers/0/apply"),
        (rules("trim", locale="de"), "/normalisers/0/locale"),
        (rules("number", locale="qx"), "/normalisers/0/locale"),
    ],
)
def test_a_normaliser_that_makes_no_sense_is_refused(rule: list[dict[str, Any]], place: str) -> None:
    with pytest.raises(RuleSetError) as refused:
        compile_rules(definition(normalisers=rule))

    assert refused.value.pointer == place


ALL = Normalisers([*rules("trim", "squeeze", "upper", "number"), *rules("trim", "lower", "number", pointer="/l/*/a")])


@settings(deadline=None)
@given(VALUES | st.fixed_dictionaries({"a": VALUES, "l": st.lists(VALUES | st.fixed_dictionaries({"a": VALUES}))}))
def test_no_value_makes_them_fail_or_is_changed(value: Any) -> None:
    before = copy.deepcopy(value)

    item, findings = ALL.applied(value)

    assert value == before
    assert bool(findings) == (item != before)
