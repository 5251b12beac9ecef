"""Conditions: true passes, all else is a finding, above all a condition that could not be evaluated."""

from typing import Any

import pytest

from app.rules import compile_rules
from tests.rules.makers import definition, found, rule

#: Rules may walk these lists.
BOUNDED = {"properties": {name: {"maxItems": 10} for name in ("lines", "list", "in")}}


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("item.b < 10", 'Key not found in map : "b"'),
        ("item.a.b.c == 1", ""),
        ("item.text < 10", "No matching overloads found"),
        ("item.a", "it gives int, not bool"),
        ("item.none", "it gives NoneType, not bool"),
        ("item.a / (item.a - item.a) == 1", "divide by zero"),
        ("item.price.sign > 0", "Applying SELECT to non-message type"),
        ("item.fine.units < 1", 'Key not found in map : "units"'),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_a_finding_of_its_own(expr: str, reason: str) -> None:
    ruleset = compile_rules(
        definition(rules=[rule(expr=expr, severity="info")], facts={"/price": "decimal", "/fine": "decimal"})
    )

    (finding,) = ruleset.check({"a": 1, "text": "abc", "none": None, "price": "abc", "fine": "0.0000001"})

    assert (finding.code, finding.pointer, finding.severity, finding.rule_id) == (
        "rule.eval_error", "/a", "error", "small",
    )  # fmt: skip
    assert reason in str(finding.params["reason"])
    assert finding.params["rule"] == "small"


def test_one_failing_condition_does_not_hide_the_others() -> None:
    rules = [rule(id="missing", expr="item.b < 10", pointer="/b"), rule(), rule(id="fine", expr="item.a > 0")]

    assert found(compile_rules(definition(rules=rules)), {"a": 10}) == {
        ("/b", "rule.eval_error"),
        ("/a", "rule.small"),
    }


def test_params_that_fail_do_not_hide_the_finding() -> None:
    (finding,) = compile_rules(definition(rules=[rule(params={"b": "item.b"})])).check({"a": 10})

    assert (finding.code, finding.params) == ("rule.small", {})


LIST_RULE = rule(
    id="cheap",
    expr="each.price < item.limit",
    pointer="/lines/*/price",
    params={"price": "each.price", "limit": "item.limit"},
)


def test_a_starred_pointer_asks_about_every_element() -> None:
    ruleset = compile_rules(definition(schema=BOUNDED, rules=[LIST_RULE]))

    findings = ruleset.check({"limit": 5, "lines": [{"price": 7}, {"price": 4}, {"price": 5}]})

    assert [(finding.pointer, finding.params) for finding in findings] == [
        ("/lines/0/price", {"price": 7, "limit": 5}),
        ("/lines/2/price", {"price": 5, "limit": 5}),
    ]


@pytest.mark.parametrize("item", [{"limit": 5}, {"limit": 5, "lines": []}, {"limit": 5, "lines": [{"price": 1}]}])
def test_a_list_that_is_missing_or_empty_or_good_passes(item: dict[str, Any]) -> None:
    assert compile_rules(definition(schema=BOUNDED, rules=[LIST_RULE])).check(item) == ()


@pytest.mark.parametrize("lines", [7, "abc", [{"price": 1}, {}], [1]])
def test_elements_that_cannot_be_asked_are_an_error_at_the_list(lines: Any) -> None:
    ruleset = compile_rules(definition(schema=BOUNDED, rules=[LIST_RULE]))

    assert found(ruleset, {"limit": 5, "lines": lines}) == {("/lines", "rule.eval_error")}


def test_an_element_that_gives_no_bool_does_not_pass_for_true() -> None:
    ruleset = compile_rules(definition(schema=BOUNDED, rules=[rule(expr="each", pointer="/list/*")]))

    assert found(ruleset, {"list": [True, 1, False]}) == {("/list/1", "rule.eval_error"), ("/list/2", "rule.small")}
    assert found(ruleset, {"list": [1]}) == {("/list/0", "rule.eval_error")}


def test_params_are_those_of_the_element_that_breaks_the_rule() -> None:
    halved = rule(expr="each < 5", pointer="/list/*", params={"half": "10 / (each - 6)", "first": "item.list[0]"})

    findings = compile_rules(definition(schema=BOUNDED, rules=[halved])).check({"list": [1, 6, 8]})

    assert [(finding.pointer, finding.params) for finding in findings] == [
        ("/list/1", {}),
        ("/list/2", {"half": 5, "first": 1}),
    ]


def test_a_list_field_may_be_called_as_a_word_of_the_language() -> None:
    ruleset = compile_rules(definition(schema=BOUNDED, rules=[rule(expr="each > 0", pointer="/in/*")]))

    assert found(ruleset, {"in": [1, 0]}) == {("/in/1", "rule.small")}


def test_a_rule_set_without_rules_finds_nothing() -> None:
    assert compile_rules(definition(rules=[])).check({"a": 10}) == ()
