"""Whatever the item is, a check answers: no exception, no crash, findings that can be stored and read."""

import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import Finding, compile_rules
from tests.rules.makers import builtin_ruleset, definition, found, freight_rate, fx_rate, rule

#: Every character, lone surrogates too, which JSON text can carry in escapes.
TEXT = st.text(st.characters())
LEAVES = st.none() | st.booleans() | st.integers() | st.integers(min_value=2**62) | st.floats() | TEXT
VALUES = st.recursive(LEAVES, lambda below: st.lists(below) | st.dictionaries(TEXT, below), max_leaves=20)
RULESETS = st.sampled_from(["fx_rate", "freight_rate"])

#: A schema that lets all pass, long lists apart, so that the conditions see what they can.
OPEN = compile_rules(
    definition(
        schema={"properties": {"a": {"maxItems": 1000}}},
        rules=[
            rule(expr="size(item.a) < 3"),
            rule(id="each", expr="each.b == 1", pointer="/a/*", params={"b": "each"}),
        ],
    )
)


@given(RULESETS, VALUES)
def test_any_value_is_answered(name: str, item: Any) -> None:
    are_findings(builtin_ruleset(name).check(item))


@given(st.sampled_from(sorted(freight_rate())), VALUES)
def test_a_freight_rate_with_any_value_in_one_field_is_answered(field: str, value: Any) -> None:
    are_findings(builtin_ruleset("freight_rate").check(freight_rate() | {field: value}))


@given(st.sampled_from(sorted(fx_rate())), VALUES)
def test_an_exchange_rate_with_any_value_in_one_field_is_answered(field: str, value: Any) -> None:
    are_findings(builtin_ruleset("fx_rate").check(fx_rate() | {field: value}))


@given(VALUES)
def test_conditions_answer_about_any_value(value: Any) -> None:
    are_findings(OPEN.check(value))
    are_findings(OPEN.check({"a": value}))


@pytest.mark.parametrize("depth", [*range(250, 260), 100_000])
@pytest.mark.parametrize("ruleset", [builtin_ruleset("fx_rate"), OPEN], ids=["fx_rate", "open"])
def test_nesting_is_refused_before_it_can_overflow_a_stack(ruleset: Any, depth: int) -> None:
    item = nested(depth)

    codes = {code for _, code in found(ruleset, item)}

    assert ("item.too_deep" in codes) == (depth > 254)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"a": {"b": 2**64}}, ("/a/b", "item.number_too_large")),
        ({"a": [0, -(2**63) - 1]}, ("/a/1", "item.number_too_large")),
        ({"a": 10**4000}, ("/a", "item.number_too_large")),
        ({"a": "\ud800"}, ("/a", "item.text_not_unicode")),
        ({"a": {"\udfff": 1}}, ("/a", "item.text_not_unicode")),
        ("\ud800", ("", "item.text_not_unicode")),
    ],
)
def test_what_no_rule_can_read_is_found_at_its_place(item: Any, expected: tuple[str, str]) -> None:
    assert found(OPEN, item) == {expected}


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63)])
def test_every_number_of_64_bits_can_be_read(number: int) -> None:
    ruleset = compile_rules(definition(rules=[rule(expr="item.a != 0", params={"a": "item.a"})]))

    assert ruleset.check({"a": number}) == ()


def test_what_is_not_json_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        OPEN.check({"a": object()})


def nested(depth: int) -> Any:
    """Return a list in a dict in a list …, this deep."""
    item: Any = 1
    for level in range(depth):
        item = [item] if level % 2 else {"a": item}
    return item


def are_findings(findings: tuple[Finding, ...]) -> None:
    """Return only if all can be stored as JSON and rendered."""
    for finding in findings:
        stored = orjson.loads(orjson.dumps([finding.pointer, finding.code, finding.params, finding.rule_id]))
        assert stored[1].split(".")[0] in {"schema", "rule", "item"}
        assert finding.severity in {"error", "warning", "info"}
        assert finding.message()
        assert sys.getsizeof(finding.message()) < 10_000
