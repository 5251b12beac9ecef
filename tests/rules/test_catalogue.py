"""Texts: every code that the engine can give has one in each language, filled from its params."""

import re
from typing import Any

import pytest

from app.rules import JSON, Finding, builtin, catalogue, compile_rules
from app.rules.across import Across
from app.rules.legible import DEEPEST, LARGEST_ITEM
from tests.rules.makers import definition, rule

TEXTS = catalogue.platform()
PORT = {"listed": "ports", "severity": "warning"}
#: Given by whoever reads a file, before there is an item for the engine.
UNREADABLE = {"file.not_csv", "file.not_json", "file.wrong_cells"}


def finding(code: str, **params: JSON) -> Finding:
    """Return a finding with this code and params."""
    return Finding("/a", code, "error", dict(params), "")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (finding("schema.enum", options=["a", 1, None, True]), "Must be one of: a, 1, null, true."),
        (finding("schema.required", property="unit"), "The field unit is missing."),
        (finding("rule.same_currency", currency="EUR"), "Base and quote are both EUR."),
        (finding("rule.of_somebody"), "Breaks rule.of_somebody."),
        (finding("schema.required"), "The field {property} is missing."),
        (finding("schema.required", property="{limit}"), "The field {limit} is missing."),
    ],
)
def test_a_finding_speaks_english(given: Finding, text: str) -> None:
    assert given.message() == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (finding("schema.required", property="unit"), "Thiếu trường unit."),
        (finding("schema.enum", options=["a", "b"]), "Phải là một trong các giá trị: a, b."),
        (finding("rule.of_somebody"), "Vi phạm rule.of_somebody."),
    ],
)
def test_a_finding_speaks_vietnamese(given: Finding, text: str) -> None:
    assert given.message(language="vi") == text


def test_a_rule_speaks_the_languages_that_its_author_wrote_and_english_for_all_others() -> None:
    both, english = {"en": "{a} is too much.", "vi": "{a} là quá nhiều."}, "Not {a}!"
    for message, told in ((both, "10 là quá nhiều."), (english, "Not 10!"), ({"en": english}, "Not 10!")):
        ruleset = compile_rules(definition(rules=[rule(message=message, params={"a": "item.a"})]))
        (found,) = ruleset.check({"a": 10})

        assert found.message(ruleset.messages, "vi") == told
        assert found.message(ruleset.messages, "xx") == found.message(ruleset.messages)


def test_every_text_is_there_in_every_language_and_names_the_same_params() -> None:
    for code, wording in TEXTS.items():
        assert set(wording) == set(catalogue.LANGUAGES), code
        assert len({frozenset(re.findall(r"{(\w+)}", text)) for text in wording.values()}) == 1, code
        assert len(set(wording.values())) == len(wording), code


def test_a_rule_set_brings_the_texts_of_its_own_rules() -> None:
    ruleset = compile_rules(definition(rules=[rule(id="same_currency", message="Not {a}!", params={"a": "item.a"})]))
    (found,) = ruleset.check({"a": 10})

    assert found.message(ruleset.messages) == "Not 10!"


def test_a_template_cannot_reach_into_values() -> None:
    template = "{a.__class__} {a[0]} {a!r:>99999999} {a}"

    assert catalogue.fill(template, {"a": "x"}) == "{a.__class__} {a[0]} {a!r:>99999999} x"


#: For each keyword of JSON Schema a schema and an item that break it.
BREACHES: list[tuple[str, object, object]] = [
    ("additionalProperties", {"additionalProperties": False}, {"a": 1}),
    ("anyOf", {"anyOf": [{"type": "string"}, {"type": "null"}]}, 1),
    ("const", {"const": 1}, 2),
    ("contains", {"contains": {"const": 1}}, []),
    ("enum", {"enum": [1]}, 2),
    ("exclusiveMaximum", {"exclusiveMaximum": 1}, 1),
    ("exclusiveMinimum", {"exclusiveMinimum": 1}, 1),
    ("falseSchema", False, 1),
    ("format", {"format": "date"}, "today"),
    ("maxItems", {"maxItems": 0}, [1]),
    ("maxLength", {"maxLength": 0}, "a"),
    ("maxProperties", {"maxProperties": 0}, {"a": 1}),
    ("maximum", {"maximum": 1}, 2),
    ("minItems", {"minItems": 1}, []),
    ("minLength", {"minLength": 1}, ""),
    ("minProperties", {"minProperties": 1}, {}),
    ("minimum", {"minimum": 1}, 0),
    ("multipleOf", {"multipleOf": 2}, 3),
    ("not", {"not": {"const": 1}}, 1),
    ("oneOf", {"oneOf": [{"const": 1}, {"minimum": 1}]}, 1),
    ("pattern", {"pattern": "^a$"}, "b"),
    ("propertyNames", {"propertyNames": {"maxLength": 1}}, {"ab": 1}),
    ("required", {"required": ["a"]}, {}),
    ("required", {"dependentRequired": {"a": ["b"]}}, {"a": 1}),
    ("type", {"type": ["string", "null"]}, 1),
    ("unevaluatedItems", {"unevaluatedItems": False}, [1]),
    ("unevaluatedProperties", {"unevaluatedProperties": False}, {"a": 1}),
    ("uniqueItems", {"uniqueItems": True}, [1, 1]),
]


@pytest.mark.parametrize(("keyword", "schema", "item"), BREACHES)
def test_every_keyword_has_a_text_that_its_params_fill(keyword: str, schema: object, item: object) -> None:
    (found,) = compile_rules(definition(schema=schema, rules=[])).check(item)

    assert found.code == f"schema.{keyword}"
    assert found.code in TEXTS
    assert "{" not in found.message()
    assert "{" not in found.message(language="vi")


def test_no_text_of_a_keyword_is_without_its_example() -> None:
    keywords = {code.removeprefix("schema.") for code in TEXTS if code.startswith("schema.")}

    assert keywords == {keyword for keyword, _, _ in BREACHES}


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_every_other_text_is_filled_by_the_params_of_its_finding() -> None:
    normalisers = [
        {"pointer": "/t", "apply": ["trim", "squeeze", "upper", "number"]},
        {"pointer": "/l", "apply": ["lower"]},
    ]
    plain = compile_rules(definition(schema={"items": {"type": "null"}}, normalisers=normalisers))
    found = [
        *plain.normalised({"t": " a  b ", "l": "A"})[1],
        *compile_rules(definition(normalisers=[{"pointer": "/n", "apply": ["number"]}])).normalised({"n": "1,5"})[1],
        *plain.check({"a": 2**70}),
        *plain.check({"a": "\ud800"}),
        *plain.check(nested(DEEPEST + 2)),
        *plain.check("x" * LARGEST_ITEM),
        *plain.check([0] * 101)[-1:],
        *compile_rules(definition(schema={"items": {"enum": list(range(1, 101))}})).check([0] * 20_000)[-1:],
        *plain.check({"b": 1}),
        *compile_rules(definition(facts={"/b": PORT}, tables={"ports": []}, rules=[])).check({"b": "NLRTM"}),
        *across_findings(),
    ]

    assert {each.code for each in found} == {code for code in TEXTS if not code.startswith("schema.")} - UNREADABLE
    for each in found:
        for language in catalogue.LANGUAGES:
            assert "{" not in each.message({}, language), each


def across_findings() -> list[Finding]:
    """Return one finding of each kind across rows."""
    shared = {"key": ["/k"], "message": "Own {key}.", "severity": "error"}
    rules = [
        {"id": "a", "kind": "unique", **shared},
        {"id": "b", "kind": "overlap", "from": "/from", "to": "/to", **shared},
        {"id": "c", "kind": "conflict", "value": "/v", **shared},
        {"id": "d", "kind": "change", "value": "/v", "order": "/from", "most": "0.1", **shared},
    ]
    with Across(definition(across=rules)) as across:
        for row, value in enumerate(("1", "2")):
            across.add(row, {"k": "x", "v": value, "from": f"2025-01-0{row + 1}", "to": "2025-02-01"})
        return list({finding.code: finding for _, finding in across.findings()}.values())


def test_a_rule_across_rows_has_its_own_text() -> None:
    own = catalogue.texts(definition(across=[{"id": "once", "message": {"en": "Twice {key}.", "vi": "Trùng {key}."}}]))
    found = Finding("/k", "file.duplicate_key", "error", {"key": ["x"], "rows": [0, 1]}, "once")

    assert found.message(own, "vi") == "Trùng x."
    assert found.message(own) == "Twice x."


def test_built_in_rules_give_every_param_that_their_text_names() -> None:
    for ruleset in builtin.definitions():
        for each in ruleset["rules"]:
            params = dict.fromkeys(each.get("params", {}), "x")

            for text in catalogue.texts({"rules": [each]})[f"rule.{each['id']}"].values():
                assert "{" not in catalogue.fill(text, params), each["id"]
