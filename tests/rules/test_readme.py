"""The guide for rule authors: the rule set in it is one, and does what it says."""

import re
from pathlib import Path

import orjson
import pytest

from app import rules
from app.rules import compile_rules
from app.rules.expression_cost import MOST_ELEMENTS
from app.rules.kit import trial

GUIDE = (Path(rules.__file__).parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def definition() -> dict[str, object]:
    (block,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    content: dict[str, object] = orjson.loads(block)
    return content


def test_the_rule_set_of_the_guide_passes_its_examples_and_leaves_no_rule_out(definition: dict[str, object]) -> None:
    outcome = trial(compile_rules(definition), definition)

    assert outcome.failures == ()
    assert outcome.never_hit == ()


def test_the_rule_set_of_the_guide_has_every_part_that_there_is(definition: dict[str, object]) -> None:
    shape = orjson.loads((Path(rules.__file__).parent / "definition.json").read_bytes())

    assert shape["properties"].keys() - definition.keys() == {"version", "description"}


def test_the_limit_that_the_guide_names_is_the_one_that_holds() -> None:
    assert f"(at most {MOST_ELEMENTS:,})" in GUIDE


def test_what_the_guide_says_of_facts_is_so() -> None:
    facts = {"/amount": "decimal", "/old": "currency", "/new": "currency", "/code": {"listed": "codes", "first": 2}}
    exprs = [
        "item.amount.sign == 1 && item.amount.decimals == 2 && item.amount.units == 1250000",
        "item.amount.text == '1.25'",
        "item.old.known && item.old.until == '2025-12-31' && !has(item.old.minor_units)",
        "item.new.known && item.new.minor_units == 0 && !has(item.new.until)",
        "item.code.listed && item.code.text == 'ABC'",
    ]
    told = {
        "name": "told",
        "title": "Told",
        "schema": {"type": "object"},
        "tables": {"codes": ["AB"]},
        "facts": facts,
        "rules": [
            {"id": f"r{n}", "expr": expr, "message": "No.", "severity": "error", "pointer": ""}
            for n, expr in enumerate(exprs)
        ],
    }

    assert compile_rules(told).check({"amount": "1.25", "old": "BGN", "new": "JPY", "code": "ABC"}) == ()
