"""The texts of findings: one template per code, `{name}` standing for a param.

Filled by a small function of its own: `str.format` on a template from a rule author could reach into objects or pad a
text to gigabytes.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from app.rules import builtin

ENGLISH: Mapping[str, str] = {
    "item.number_too_large": "The number does not fit into 64 bits: write it as a decimal string.",
    "item.text_not_unicode": "The text holds a lone surrogate, which is no Unicode character.",
    "item.too_deep": "The item is nested deeper than {limit} levels.",
    "item.more_findings": "There are more findings than the {shown} shown.",
    "rule.eval_error": "Rule {rule} could not be evaluated: {reason}",
    "schema.additionalProperties": "The field {property} is not known here.",
    "schema.anyOf": "Fits none of the allowed forms.",
    "schema.const": "Must be {expected_value}.",
    "schema.contains": "Does not hold the right number of the elements that are asked for.",
    "schema.enum": "Must be one of: {options}.",
    "schema.exclusiveMaximum": "Must be less than {limit}.",
    "schema.exclusiveMinimum": "Must be more than {limit}.",
    "schema.falseSchema": "No value is allowed here.",
    "schema.format": "Is not a valid {format}.",
    "schema.maxItems": "Must have at most {limit} elements.",
    "schema.maxLength": "Must be at most {limit} characters long.",
    "schema.maxProperties": "Must have at most {limit} fields.",
    "schema.maximum": "Must be at most {limit}.",
    "schema.minItems": "Must have at least {limit} elements.",
    "schema.minLength": "Must be at least {limit} characters long.",
    "schema.minProperties": "Must have at least {limit} fields.",
    "schema.minimum": "Must be at least {limit}.",
    "schema.multipleOf": "Must be a multiple of {multiple_of}.",
    "schema.not": "Has a form that is not allowed.",
    "schema.oneOf": "Must fit exactly one of the allowed forms.",
    "schema.pattern": "Is not written as it should be: the pattern is {pattern}.",
    "schema.propertyNames": "The field name {property} is not allowed.",
    "schema.required": "The field {property} is missing.",
    "schema.type": "Must be of type {types}.",
    "schema.unevaluatedItems": "Has elements that are not allowed.",
    "schema.unevaluatedProperties": "The field {property} is not known here.",
    "schema.uniqueItems": "Has elements that are equal.",
}

#: For a rule whose rule set is not at hand, or a schema keyword without a text of its own.
FALLBACK = "Breaks {code}."

_PLACE = re.compile(r"\{(\w+)\}")
_LITERALS = {None: "null", True: "true", False: "false"}


def render(code: str, params: Mapping[str, Any], own: Mapping[str, str] | None) -> str:
    """Return the English text of `code`, from the rule set's `own` templates where it has one."""
    rules = own if own is not None else _builtin_texts()
    template = rules.get(code) or ENGLISH.get(code, FALLBACK)
    return fill(template, {**params, "code": code})


def fill(template: str, params: Mapping[str, Any]) -> str:
    """Return `template` with every `{name}` that has a param replaced by it; others stay as they are."""
    return _PLACE.sub(lambda place: _text(params[place[1]]) if place[1] in params else place[0], template)


@cache
def _builtin_texts() -> Mapping[str, str]:
    return {
        f"rule.{rule['id']}": rule["message"] for definition in builtin.definitions() for rule in definition["rules"]
    }


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    return _LITERALS[value] if value is None or isinstance(value, bool) else str(value)
