"""References: codes that are in no table are found where the rule set says how bad that is."""

from typing import Any

import pytest

from app.rules import Finding, RuleSetError, compile_rules
from app.rules.ruleset import MOST_FINDINGS
from tests.rules.makers import definition

RULESET = compile_rules(
    definition(
        tables={"ports": ["NLRTM", "DEHAM"], "countries": "iso3166@1"},
        facts={
            "/port": {"listed": "ports", "severity": "error"},
            "/origin": {"listed": "countries", "first": 2, "severity": "warning"},
            "/legs/*/port": {"listed": "ports", "severity": "info"},
            "/other": {"listed": "ports"},
        },
        rules=[],
    )
)


def test_a_code_that_is_in_no_table_is_found() -> None:
    item = {"port": "NLRTN", "origin": "QQXXX", "other": "XXXXX", "legs": [{"port": "DEHAM"}, {"port": "x"}]}

    first, second, third = RULESET.check(item)

    assert (first.pointer, first.code, first.severity) == ("/port", "ref.unknown", "error")
    assert first.params == {"value": "NLRTN", "table": "ports"}
    assert first.rule_id == "/port"
    assert first.message() == "NLRTN is not in the table ports."
    assert first.suggestion
    assert first.suggestion.value == "NLRTM"
    assert (second.pointer, second.severity) == ("/origin", "warning")
    assert (third.pointer, third.severity, third.rule_id) == ("/legs/1/port", "info", "/legs/*/port")


@pytest.mark.parametrize(
    "item",
    [
        {"port": "NLRTM", "origin": "VNSGN", "legs": []},
        {"port": None, "origin": 1, "legs": [1, {"port": []}, {}]},
        {"legs": "NLRTX"},
        {},
    ],
)
def test_known_codes_and_what_is_no_text_are_let_through(item: Any) -> None:
    assert RULESET.check(item) == ()


def test_a_list_of_unknown_codes_gives_no_more_findings_than_anything_else() -> None:
    found: tuple[Finding, ...] = RULESET.check({"legs": [{"port": "x"}] * 1_000})

    assert len(found) == MOST_FINDINGS + 1
    assert found[-1].code == "item.more_findings"


def test_a_reference_to_a_table_that_is_not_named_is_refused() -> None:
    with pytest.raises(RuleSetError, match="no table called ports"):
        compile_rules(definition(facts={"/a": {"listed": "ports", "severity": "error"}}))
