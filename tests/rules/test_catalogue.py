"""Texts: every code that the engine can give has one, filled from its params."""

import pytest

from app.rules import JSON, Finding, builtin, catalogue, compile_rules
from tests.rules.makers import definition, rule


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
    assert found.code in catalogue.ENGLISH
    assert "{" not in found.message()


def test_no_text_of_a_keyword_is_without_its_example() -> None:
    keywords = {code.removeprefix("schema.") for code in catalogue.ENGLISH if code.startswith("schema.")}

    assert keywords == {keyword for keyword, _, _ in BREACHES}


def test_built_in_rules_give_every_param_that_their_text_names() -> None:
    for ruleset in builtin.definitions():
        for each in ruleset["rules"]:
            params = dict.fromkeys(each.get("params", {}), "x")

            assert "{" not in catalogue.fill(each["message"], params), each["id"]
