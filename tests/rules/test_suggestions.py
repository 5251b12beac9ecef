"""Suggestions: what to write instead. Each one, applied, makes its finding go away; where nothing is certain, none."""

import copy
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules import Finding, RuleSet, Suggestion, compile_rules
from app.rules.suggestions import MOST, MOST_TRIALS, applied
from tests.rules.makers import builtin_ruleset, definition, freight_rate, fx_rate, rule
from tests.rules.test_any_value import VALUES

PORTS = ("NLRTM", "DEHAM", "VNSGN", "VNHPH")
RULESET = compile_rules(
    definition(
        schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "unit": {"enum": ["per_container", "per_teu", "CY/CY", "CY/DOOR"]},
                "kind": {"const": "FAK"},
                "code": {"type": "string", "pattern": "^[A-Z]{4}$"},
                "word": {"type": "string", "pattern": "^[a-z]{2,10}$"},
                "currency": {"$ref": "#/$defs/currency"},
                "amount": {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$"},
                "german": {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,3})?$"},
                "days": {"type": "integer", "minimum": 1},
                "ratio": {"type": "number"},
                "port": {"type": "string"},
                "name": {"type": "string", "maxLength": 5},
                "date": {"type": "string", "format": "date"},
                "either": {"anyOf": [{"type": "null"}, {"enum": ["YES", "NO"]}]},
                "parts": {"type": "array", "maxItems": 5, "items": {"$ref": "#/$defs/part"}},
            },
            "$defs": {
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                "part": {"properties": {"port": {"type": "string"}, "unit": {"enum": ["each", "kg"]}}},
            },
        },
        tables={"ports": list(PORTS)},
        facts={"/currency": "currency", "/amount": "decimal", "/port": {"listed": "ports"},
               "/parts/*/port": {"listed": "ports"}},
        normalisers=[{"pointer": "/german", "apply": ["number"], "locale": "de"}],
        rules=[
            rule(id="port_unknown", expr="!has(item.port) || item.port.listed", pointer="/port"),
            rule(id="part_unknown", expr="!has(each.port) || each.port.listed", pointer="/parts/*/port"),
            rule(id="currency_unknown", expr="!has(item.currency) || item.currency.known", pointer="/currency"),
            rule(id="not_hamburg", expr='!has(item.port) || item.port.text.startsWith("NL")', pointer="/port"),
        ],
    )
)  # fmt: skip


def suggested(item: Any, ruleset: RuleSet = RULESET) -> dict[str, tuple[Any, float, str]]:
    """Return what is suggested for `item`: value, confidence and reason by pointer."""
    found = (finding.suggestion for finding in ruleset.check(item))
    return {each.path: (each.value, each.confidence, each.reason) for each in found if each}


@pytest.mark.parametrize(
    ("field", "wrong", "value", "confidence", "reason"),
    [
        ("unit", " per_teu\u00a0", "per_teu", 0.99, "trim"),
        ("unit", "Per_TEU", "per_teu", 0.95, "case"),
        ("unit", " cy/cy", "CY/CY", 0.95, "case"),
        ("unit", "per_contaner", "per_container", 0.9, "near_miss"),
        ("unit", "pr_containr", "per_container", 0.6, "near_miss"),
        ("kind", "fak", "FAK", 0.95, "case"),
        ("code", "maeu", "MAEU", 0.7, "case"),
        ("code", "MAEU\ufeff", "MAEU", 0.99, "trim"),
        ("word", "BUNKER", "bunker", 0.7, "case"),
        ("currency", "Eur", "EUR", 0.95, "case"),
        ("currency", "EURO", "EUR", 0.7, "near_miss"),
        ("currency", "bgn", "BGN", 0.7, "case"),
        ("amount", "1.200,50", "1200.50", 0.9, "number"),
        ("amount", "1,200.5", "1200.5", 0.9, "number"),
        ("amount", 12.5, "12.5", 0.9, "number"),
        ("amount", 1250, "1250", 0.9, "number"),
        ("german", "1,234", "1.234", 0.95, "number"),
        ("german", "1.234,5", "1234.5", 0.95, "number"),
        ("days", "14", 14, 0.9, "number"),
        ("ratio", "1.5", 1.5, 0.9, "number"),
        ("name", "   abc  ", "abc", 0.99, "trim"),
        ("date", "2025-01-01 ", "2025-01-01", 0.99, "trim"),
        ("either", "yes", "YES", 0.95, "case"),
        ("port", "NLRTN", "NLRTM", 0.9, "near_miss"),
        ("port", "nlrtm ", "NLRTM", 0.95, "case"),
    ],
)  # fmt: skip
def test_what_was_meant_is_suggested(field: str, wrong: Any, value: Any, confidence: float, reason: str) -> None:
    assert suggested({field: wrong})[f"/{field}"] == (value, confidence, reason)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("unit", "per_diem"),
        ("unit", None),
        ("unit", True),
        ("unit", ["per_teu"]),
        ("code", "Tokyo"),
        ("code", "Mael"),
        ("currency", "ABCD"),
        ("currency", "abc"),
        ("currency", "BGN "[:2]),
        ("amount", "1,234"),
        ("amount", "1.234"),
        ("amount", "12,345"),
        ("amount", "1.23456"),
        ("amount", "on req."),
        ("amount", ""),
        ("amount", 0.125),
        ("days", "14.5"),
        ("days", "9" * 30),
        ("name", "abcdefg"),
        ("port", "XXXXX"),
        ("date", "01.02.2025"),
        ("unit", "per_teu" + " " * 500),
    ],
)
def test_nothing_is_suggested_where_nothing_is_certain(field: str, wrong: Any) -> None:
    assert RULESET.check({field: wrong})
    assert suggested({field: wrong}) == {}


def test_a_value_is_not_replaced_for_its_name() -> None:
    ruleset = compile_rules(definition(schema={"propertyNames": {"pattern": "^[A-Z]$"}}, rules=[]))

    assert suggested({"a": "b"}, ruleset) == {}


@pytest.mark.parametrize(
    ("schema", "item", "path"),
    [
        ({"enum": ["X"]}, "x", ""),
        ({"items": {"enum": ["X"]}}, ["X", "x"], "/1"),
        ({"prefixItems": [{}, {"const": "X"}]}, [1, "x"], "/1"),
        ({"patternProperties": {"^/~": {"enum": ["X"]}}}, {"/~": "x"}, "/~1~0"),
        ({"additionalProperties": {"enum": ["X"]}}, {"1": "x"}, "/1"),
        ({"properties": {"a": {"if": {"type": "string"}, "then": {"enum": ["X"]}}}}, {"a": "x"}, "/a"),
        ({"allOf": [{"properties": {"a": {"enum": ["X"]}}}]}, {"a": "x"}, "/a"),
    ],
)
def test_wherever_the_schema_asks_for_a_value_it_can_be_suggested(schema: Any, item: Any, path: str) -> None:
    ruleset = compile_rules(definition(schema=schema, rules=[]))

    (finding,) = ruleset.check(item)

    assert finding.suggestion == Suggestion("replace", path, "X", 0.95, "case")
    assert ruleset.check(applied(item, finding.suggestion)) == ()


def test_of_two_codes_as_near_neither_is_suggested() -> None:
    ruleset = compile_rules(definition(schema={"properties": {"a": {"enum": ["20GP", "40GP"]}}}, rules=[]))

    assert suggested({"a": "30GP"}, ruleset) == {}


def test_a_code_of_an_element_of_a_list_is_suggested() -> None:
    item = {"parts": [{"port": "NLRTM"}, {"port": "vnsgn", "unit": "each"}]}

    assert suggested(item) == {"/parts/1/port": ("VNSGN", 0.95, "case")}
    assert suggested({"parts": [{"unit": "KG"}]}) == {"/parts/0/unit": ("kg", 0.95, "case")}


def test_a_code_that_breaks_another_rule_is_not_suggested() -> None:
    (unknown, _) = RULESET.check({"port": "DEHAN"})
    (only,) = RULESET.check({"port": "DEHAM"})

    # Both findings would be there were it not for the list: the suggestion mends the first and leaves the other.
    assert (unknown.code, only.code) == ("rule.port_unknown", "rule.not_hamburg")
    assert unknown.suggestion == Suggestion("replace", "/port", "DEHAM", 0.9, "near_miss")
    assert only.suggestion is None


@pytest.mark.parametrize(
    ("name", "field", "reason"),
    [("Unit", "unit", "case"), ("curency", "currency", "near_miss"), ("amout", "amount", "near_miss")],
)
def test_a_field_that_is_misspelt_is_moved(name: str, field: str, reason: str) -> None:
    (finding,) = RULESET.check({name: "x"})

    assert finding.suggestion
    assert finding.suggestion.operation() == {
        "op": "move",
        "from": f"/{name}",
        "path": f"/{field}",
        "confidence": 0.95 if reason == "case" else 0.9,
        "reason": reason,
    }
    assert applied({name: "x"}, finding.suggestion) == {field: "x"}


def test_a_field_is_not_moved_onto_one_that_is_there() -> None:
    (finding,) = RULESET.check({"Unit": "x", "unit": "per_teu"})

    assert finding.suggestion is None


def test_a_header_with_spaces_names_its_field() -> None:
    moved = {
        each.suggestion.from_: each.suggestion.path
        for each in builtin_ruleset("freight_rate").check(
            {"Valid From": "2025-10-01", "valid-to": "2025-12-31"}
            | freight_rate(valid_from=..., valid_to=...)
        )
        if each.suggestion
    }  # fmt: skip

    assert moved == {"/Valid From": "/valid_from", "/valid-to": "/valid_to"}


def test_a_misspelt_field_of_an_element_is_moved_inside_of_it() -> None:
    surcharges = [{"code": "BAF", "ammount": "1", "currency": "USD"}]

    found = builtin_ruleset("freight_rate").check(freight_rate(surcharges=surcharges))

    (suggestion,) = (each.suggestion for each in found if each.suggestion)
    assert (suggestion.from_, suggestion.path) == ("/surcharges/0/ammount", "/surcharges/0/amount")


def test_pointers_are_escaped_on_both_sides() -> None:
    schema = {"properties": {"a/b": {"enum": ["X"]}, "m~n": {}}, "additionalProperties": False}
    ruleset = compile_rules(definition(schema=schema, rules=[]))

    replaced, moved = ruleset.check({"a/b": "x", "M~n": 1})

    assert (replaced.suggestion, moved.suggestion) != (None, None)
    for finding in (replaced, moved):
        assert finding.suggestion
        assert finding not in ruleset.check(applied({"a/b": "x", "M~n": 1}, finding.suggestion))


def test_an_item_full_of_mistakes_costs_a_bounded_number_of_looks() -> None:
    ruleset = compile_rules(
        definition(
            schema={"properties": {"l": {"type": "array", "maxItems": 100}}},
            tables={"ports": list(PORTS)},
            facts={"/l/*/p": {"listed": "ports"}},
            rules=[rule(id="known", expr="each.p.listed", pointer="/l/*/p")],
        )
    )

    found = ruleset.check({"l": [{"p": "NLRTN"}] * 50})

    assert len(found) == 50
    assert sum(each.suggestion is not None for each in found) == MOST_TRIALS
    assert len(RULESET.check({f"uni{n}": 1 for n in range(50)})) == 50
    assert sum(each.suggestion is not None for each in RULESET.check({f"uni{n}": 1 for n in range(50)})) <= MOST


def test_a_large_table_is_no_reason_to_wait() -> None:
    codes = frozenset(f"C{number:05}" for number in range(100_000))
    ruleset = compile_rules(
        definition(
            tables={"codes": "codes@1"},
            facts={"/a": {"listed": "codes"}},
            rules=[rule(id="known", expr="item.a.listed")],
        ),
        {"codes@1": codes},
    )  # fmt: skip
    assert suggested({"a": "C0100"}, ruleset) == {}

    started = time.perf_counter()
    for number in range(100):
        ruleset.check({"a": f"X{number:05}"})

    # 100 different mistakes: a quarter of a millisecond each, and the bound is far above it.
    assert time.perf_counter() - started < 5
    assert suggested({"a": "X00017"}, ruleset) == {"/a": ("C00017", 0.9, "near_miss")}


def test_a_suggestion_is_stored_and_read_as_an_operation() -> None:
    for suggestion in (
        Suggestion("replace", "/a", None, 0.9, "number"),
        Suggestion("move", "/a", None, 0.95, "case", from_="/A"),
    ):
        assert Suggestion.of(suggestion.operation()) == suggestion


def near(text: str) -> st.SearchStrategy[str]:
    """Return what people write for `text`."""
    mangled = [text, text.upper(), text.lower(), text.title(), text[1:], text[:-1], text + "x", text[::-1]]
    swapped = [text[:index] + text[index + 1 : index + 2] + text[index : index + 1] + text[index + 2 :]
               for index in range(len(text))]  # fmt: skip
    around = st.sampled_from(["", " ", "\u00a0", "\t", "\ufeff"])
    return st.tuples(around, st.sampled_from(mangled + swapped), around).map("".join)


def wrong(*texts: str) -> st.SearchStrategy[Any]:
    """Return values like `texts`, and others."""
    return st.one_of(*map(near, texts), VALUES)


NUMBERS = st.from_regex(r"\A[ ]?-?[0-9]{1,4}([.,' ][0-9]{1,3}){0,3}[ ]?\Z") | st.integers() | st.floats()
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "unit": wrong("per_container", "per_teu", "CY/CY"),
        "Unit": VALUES,
        "kind": wrong("FAK"),
        "code": wrong("MAEU"),
        "word": wrong("bunker"),
        "currency": wrong("EUR", "BGN", "XXX"),
        "curency": VALUES,
        "amount": NUMBERS,
        "german": NUMBERS,
        "days": NUMBERS,
        "ratio": NUMBERS,
        "port": wrong(*PORTS),
        "name": wrong("abc"),
        "date": wrong("2025-01-01"),
        "either": wrong("YES"),
        "parts": st.lists(st.fixed_dictionaries({}, optional={"port": wrong(*PORTS), "unit": wrong("kg")})),
    },
)


@settings(deadline=None, max_examples=50)
@given(ITEMS)
def test_a_suggestion_that_is_applied_makes_its_finding_go_away(item: dict[str, Any]) -> None:
    before = copy.deepcopy(item)

    for finding in RULESET.check(item):
        if finding.suggestion:
            assert key(finding) not in map(key, RULESET.check(applied(item, finding.suggestion)))

    assert repr(item) == repr(before)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([fx_rate(), freight_rate()]), st.data())
def test_suggestions_for_built_in_rule_sets_hold_too(good: dict[str, Any], data: st.DataObject) -> None:
    ruleset = builtin_ruleset("fx_rate" if "base" in good else "freight_rate")
    field = data.draw(st.sampled_from([name for name, value in good.items() if isinstance(value, str)]))
    item = good | {field: data.draw(near(good[field]) | NUMBERS)}

    for finding in ruleset.check(item):
        if finding.suggestion:
            assert key(finding) not in map(key, ruleset.check(applied(item, finding.suggestion)))


@settings(deadline=None, max_examples=50)
@given(VALUES)
def test_no_value_makes_them_fail(item: Any) -> None:
    for finding in RULESET.check(item):
        assert finding.suggestion is None or 0 < finding.suggestion.confidence < 1


def key(finding: Finding) -> tuple[str, str, str]:
    """Return what makes a finding the same in two checks."""
    return finding.pointer, finding.code, finding.rule_id
