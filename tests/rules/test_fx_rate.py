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
        {"quote": "HRK", "date": "2021-12-29"},
        {"quote": "LTL", "date": "2013-12-29"},
        {"base": "XAU"},
        {"base": "DEM", "date": "1998-12-30"},
        {"base": "USD", "quote": "JPY", "rate": "143.52"},
        {"base": "GBP"},
        {"previous_rate": "1.1082"},
        {"previous_rate": "1.1082", "previous_date": "2025-04-10"},
        {"rate": "1", "previous_rate": "0.84"},
        {"rate": "1", "previous_rate": "1.24"},
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
        ({"quote": "HRK", "date": "2022-12-31"}, {("/quote", "rule.quote_ends")}),
        ({"quote": "HRK", "date": "2021-12-31"}, {("/quote", "rule.quote_ends")}),
        ({"base": "HRK", "quote": "CHF", "date": "2022-12-31"}, {("/base", "rule.base_ends")}),
        ({"base": "USD", "quote": "EUR"}, {("/base", "rule.direction_unusual")}),
        ({"base": "USD", "quote": "NZD"}, {("/base", "rule.direction_unusual")}),
        ({"base": "JPY", "quote": "USD"}, {("/base", "rule.direction_unusual")}),
        ({"base": "AUD", "quote": "GBP"}, {("/base", "rule.direction_unusual")}),
        ({"date": "1899-12-30"}, {("/date", "rule.year_unlikely")}),
        ({"date": "0000-04-11"}, {("/date", "rule.year_unlikely")}),
        ({"quote": "HRK", "date": "0000-01-01"}, {("/date", "rule.year_unlikely")}),
        ({"date": "2205-04-11"}, {("/date", "rule.year_unlikely")}),
        ({"previous_rate": "-1.1"}, {("/previous_rate", "rule.previous_not_positive")}),
        ({"previous_rate": "1,1"}, {("/previous_rate", "schema.pattern")}),
        (
            {"previous_rate": "1.1082", "previous_date": "2025-04-11"},
            {("/previous_date", "rule.previous_not_before")},
        ),
        ({"rate": "1.35", "previous_rate": "1.1082"}, {("/rate", "rule.rate_change")}),
        ({"rate": "0.1135", "previous_rate": "1.1082"}, {("/rate", "rule.rate_change")}),
        ({"rate": "2.2", "previous_rate": "1.1082"}, {("/rate", "rule.rate_jump")}),
        ({"rate": "0.11", "previous_rate": "1.1082"}, {("/rate", "rule.rate_jump")}),
        ({"rate": "999999999999999.999999999999", "previous_rate": "0.000000000001"}, {("/rate", "rule.rate_jump")}),
        ({"rate": "0.0062", "previous_rate": "161.97"}, {("/rate", "rule.rate_inverted")}),
        ({"rate": "161.97", "previous_rate": "0.0062"}, {("/rate", "rule.rate_inverted")}),
        ({"rate": "0", "previous_rate": "1.1082"}, {("/rate", "rule.rate_not_positive")}),
        (
            {"quote": "EUR", "rate": "0"},
            {("/quote", "rule.same_currency"), ("/rate", "rule.rate_not_positive")},
        ),
    ],
)
def test_a_bad_rate_has_exactly_these_findings(changes: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert found(builtin_ruleset("fx_rate"), fx_rate(**changes)) == expected


def test_only_what_is_sure_makes_a_rate_invalid() -> None:
    severities = {
        finding.rule_id: finding.severity
        for changes in (
            {"base": "USD", "quote": "EUR"},
            {"quote": "BGN", "date": "2025-12-31"},
            {"rate": "1.35", "previous_rate": "1.1082"},
            {"rate": "2.2", "previous_rate": "1.1082"},
        )
        for finding in builtin_ruleset("fx_rate").check(fx_rate(**changes))
    }

    assert severities == {
        "direction_unusual": "info",
        "quote_ends": "info",
        "rate_change": "warning",
        "rate_jump": "error",
    }


def test_conditions_wait_until_the_shape_is_right() -> None:
    both = fx_rate(quote="EUR", date="yesterday")

    assert found(builtin_ruleset("fx_rate"), both) == {("/date", "schema.format")}


def test_a_withdrawn_currency_is_named_with_its_last_day() -> None:
    (finding,) = builtin_ruleset("fx_rate").check(fx_rate(quote="BGN", date="2026-01-02"))

    assert finding.params == {"currency": "BGN", "until": "2025-12-31"}
    assert finding.message() == "BGN was withdrawn: its last day was 2025-12-31."
    assert (finding.severity, finding.rule_id) == ("error", "quote_withdrawn")
