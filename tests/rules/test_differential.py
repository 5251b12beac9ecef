"""Two opinions on everything: plain `jsonschema` on the schemas, CEL on the conditions that Python answers."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it brings no types

from app.rules import builtin, compile_rules
from app.rules.expressions import Expressions, check
from app.rules.facts import compiled
from app.rules.quick import Answer, Unsure, condition
from app.rules.shape import Shape
from ops.bench.freight import RULESET, items
from ops.samples import load
from tests.rules.makers import definition, freight_rate, fx_rate, rule

#: Where the two differ, each for a reason:
#: - `multipleOf` on floats: 19.99 is no multiple of 0.01 to jsonschema, which divides doubles; it is to ours.
#: - `pattern`: jsonschema searches with Python's `re`, where `$` matches before a last newline; ECMA 262's does not.
MULTIPLES = [19.99, 0.07, 4.35, 1234567.89]

SCHEMAS = {each["name"]: each["schema"] for each in (*builtin.definitions(), RULESET)}
OURS = {name: Shape(schema) for name, schema in SCHEMAS.items()}
THEIRS = {
    name: Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for name, schema in SCHEMAS.items()
}
ITEMS = {"freight_rate": freight_rate(), "fx_rate": fx_rate(), "bench_freight": next(items(seed=1))}

#: Texts that rates hold, nearly hold, or do not; no line ends (see above).
WORDS = st.sampled_from(
    [
        "USD",
        "usd",
        "EUR",
        "1250.00",
        "1.200,00",
        "-1",
        "0",
        "",
        "2025-10-01",
        "2025-13-01",
        "NLRTM",
        "20GP",
        "LCL",
        "per_kg",
    ]
) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Nd"]), max_size=8)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
)
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=4) | st.dictionaries(WORDS, below, max_size=4), max_leaves=8
)


def agree(name: str, item: Any) -> None:
    """Return only if both sides say the same of the item."""
    assert OURS[name].fits(item) == THEIRS[name].is_valid(item), item


@settings(deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), VALUES)
def test_any_value_has_the_verdict_of_jsonschema(name: str, item: Any) -> None:
    agree(name, item)


@settings(deadline=None)
@given(st.sampled_from(sorted(ITEMS)), st.data())
def test_an_item_with_other_fields_has_the_verdict_of_jsonschema(name: str, data: st.DataObject) -> None:
    fields = st.sampled_from(sorted(SCHEMAS[name]["properties"])) | WORDS

    agree(name, ITEMS[name] | data.draw(st.dictionaries(fields, VALUES, max_size=3)))


def test_the_samples_have_the_verdict_of_jsonschema() -> None:
    for sample in load():
        agree(sample.ruleset, sample.item)


@pytest.mark.parametrize("number", MULTIPLES)
def test_cents_are_multiples_of_a_hundredth(number: float) -> None:
    schema = {"multipleOf": 0.01}

    assert Shape(schema).fits(number)
    assert not Draft202012Validator(schema).is_valid(number)


def test_a_pattern_ends_where_the_text_ends() -> None:
    schema = {"pattern": "^a$"}

    assert not Shape(schema).fits("a\n")
    assert Draft202012Validator(schema).is_valid("a\n")


FACTS = compiled({"/money": "currency", "/price": "decimal", "/list/*/price": "decimal"}, {})
CONDITIONS = [
    "item.a == item.b",
    "item.a != 'x'",
    "item.a < item.b",
    "item.a >= 1",
    "item.a in ['x', 'USD']",
    "!(item.a == item.b) && item.b == 'x'",
    "item.a == item.b || item.a == 1",
    "item.a || item.b",
    "item.a",
    "has(item.a) && has(item.a.b)",
    "!has(item.money.until) || item.money.until < '2030'",
    "item.money.known",
    "item.price.units <= item.b || item.price.sign == 0",
    "item.a.b == true",
    "(item.a == 'x') == (item.b in ['x', ''])",
    "item.money == item.price",
    "item.a == null",
    'timestamp(item.a + "T00:00:00Z") - timestamp(item.b + "T00:00:00Z") <= duration("48h")',
    'timestamp(item.a + "T00:00:00Z") < timestamp(item.b + "T00:00:00Z")',
    "item.list.all(one, one.a == item.a)",
    "item.list.exists(one, one.a == item.a && has(one.b))",
    "item.list.filter(one, one.a == item.a).size() == 1",
    "size(item.list.filter(one, one.price.sign > 0)) > 0",
    "item.list.all(one, one == item.a)",
]
SMALL = st.sampled_from(
    [
        ...,
        None,
        True,
        False,
        0,
        1,
        2**63,
        -1,
        1.0,
        "",
        "x",
        "y",
        "USD",
        "HRK",
        "1.5",
        "0",
        "2025-02-28",
        "2025-03-01",
        "2025-02-30",
        "20250228",
        "0000-01-01",
        "9999-12-31",
        "x\u00e9",
    ]
)
LEAFLETS = SMALL.filter(lambda value: value is not ...)
FIELDS = (
    SMALL | st.lists(SMALL.filter(lambda value: value is not ...), max_size=2) | st.fixed_dictionaries({"b": LEAVES})
)


@cache
def both(source: str) -> tuple[Answer | None, Expressions]:
    """Return the two ways to evaluate `source`."""
    return condition(check(source, each=False).tree.root, FACTS, None), Expressions([source], FACTS)


@pytest.mark.parametrize("source", CONDITIONS)
@settings(deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(["a", "b", "money", "price"], FIELDS)),
    FIELDS | st.lists(st.fixed_dictionaries({"a": LEAFLETS, "price": LEAFLETS}), max_size=3),
)
def test_what_python_answers_is_what_cel_answers(source: str, drawn: dict[str, Any], listed: Any) -> None:
    item = {name: value for name, value in (drawn | {"list": listed}).items() if value is not ...}
    answer, expressions = both(source)
    (said,) = expressions.values(item)

    try:
        told = answer(item, None, None) if answer else said
    except Unsure:
        told = said

    assert told is said or told == said


@pytest.mark.parametrize(
    "source", ["item.a == item.b", "item.money.known", "has(item.a)", "item.a in ['x']", "!(item.a < 1) && item.b"]
)
def test_plain_comparisons_need_no_cel(source: str) -> None:
    assert condition(check(source, each=False).tree.root, FACTS, None)


@pytest.mark.parametrize("source", ["size(item.a) == 1", "item.a + 1 == 2", "item.a.b.all(b, b == 1)", "item.a == 1.0"])
def test_all_else_is_for_cel(source: str) -> None:
    assert condition(check(source, each=False).tree.root, FACTS, None) is None


def each_rule(name: str, expr: str) -> dict[str, Any]:
    """Return a rule about every element of the list, with a param."""
    return rule(id=name, expr=expr, pointer="/list/*", params={"code": "each.code"})


#: The same rule twice: dyn() keeps the second from being answered by Python.
TWICE = compile_rules(
    definition(
        schema={"properties": {"list": {"maxItems": 9}}},
        facts={"/list/*/price": "decimal"},
        rules=[each_rule("quick", "each.price.sign > 0"), each_rule("slow", "dyn(each.price.sign) > 0")],
    )
)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"price": LEAFLETS, "code": LEAFLETS}) | LEAFLETS, max_size=4))
def test_elements_are_judged_alike_both_ways(elements: list[Any]) -> None:
    findings = TWICE.check({"list": elements})

    quick, slow = (
        [
            (each.pointer, each.code.replace(name, "rule"), each.params.get("code"))
            for each in findings
            if each.rule_id == name
        ]
        for name in ("quick", "slow")
    )
    assert quick == slow
