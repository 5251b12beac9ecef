"""The built-in rule set for exchange rates: what it lets pass and what it finds."""

from typing import Any

import pytest

from tests.rules.makers import builtin_ruleset, found, fx_rate


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source": ...},
        {"rate": "0.00000001"},
        {"rate": "52"},
        {"quote": "HRK", "date": "2022-12-31"},
        {"quote": "BGN", "date": "2025-12-31"},
        {"quote": "LTL", "date": "2014-12-31"},
        {"base": "XAU"},
    ],
)
def test_a_good_rate_has_no_findings(changes: dict[str, Any]) -> None:
    assert builtin_ruleset("fx_rate").check(fx_rate(**changes)) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"date": ...}, {("/date", "schema.required")}),
        ({"date": "13 April 2026"}, {("/date", "schema.format")}),
        ({"date": "2025-02-29"}, {("/date", "schema.format")}),
        ({"base": "eur"}, {("/base", "schema.pattern")}),
        ({"quote": " USD"}, {("/quote", "schema.pattern")}),
        ({"quote": "USD\n"}, {("/quote", "schema.pattern")}),
        ({"rate": 1.1346}, {("/rate", "schema.type")}),
        ({"rate": "N/A"}, {("/rate", "schema.pattern")}),
        ({"rate": "1,1346"}, {("/rate", "schema.pattern")}),
        ({"rate": "1e5"}, {("/rate", "schema.pattern")}),
        ({"rate": "٣"}, {("/rate", "schema.pattern")}),
        ({"rate": "0"}, {("/rate", "rule.rate_not_positive")}),
        ({"rate": "0.000"}, {("/rate", "rule.rate_not_positive")}),
        ({"rate": "-1.1"}, {("/rate", "rule.rate_not_positive")}),
        ({"quote": "EUR"}, {("/quote", "rule.same_currency")}),
        ({"base": "USX"}, {("/base", "rule.base_unknown")}),
        ({"quote": "XXX"}, {("/quote", "rule.quote_unknown")}),
        ({"quote": "HRK", "date": "2023-01-01"}, {("/quote", "rule.quote_withdrawn")}),
        ({"quote": "BGN", "date": "2026-01-01"}, {("/quote", "rule.quote_withdrawn")}),
        ({"base": "DEM", "date": "2010-01-01"}, {("/base", "rule.base_withdrawn")}),
        ({"bid": "1.13"}, {("/bid", "schema.additionalProperties")}),
        (
            {"quote": "EUR", "rate": "0"},
            {("/quote", "rule.same_currency"), ("/rate", "rule.rate_not_positive")},
        ),
    ],
)
def test_a_bad_rate_has_exactly_these_findings(changes: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert found(builtin_ruleset("fx_rate"), fx_rate(**changes)) == expected


def test_conditions_wait_until_the_shape_is_right() -> None:
    both = fx_rate(quote="EUR", date="yesterday")

    assert found(builtin_ruleset("fx_rate"), both) == {("/date", "schema.format")}


def test_a_withdrawn_currency_is_named_with_its_last_day() -> None:
    (finding,) = builtin_ruleset("fx_rate").check(fx_rate(quote="BGN", date="2026-01-02"))

    assert finding.params == {"currency": "BGN", "until": "2025-12-31"}
    assert finding.message() == "BGN was withdrawn: its last day was 2025-12-31."
    assert (finding.severity, finding.rule_id) == ("error", "quote_withdrawn")
