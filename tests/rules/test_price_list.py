"""The built-in rule set for price lists: what it lets pass and what it finds."""

from typing import Any

import pytest

from tests.rules.makers import builtin_ruleset, found, price, tier

TOKENS = {"unit": "token", "unit_quantity": 1_000_000, "price": "3.00", "currency": "USD", "tiers": ...}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict.fromkeys(("tiers", "valid_to"), ...),
        {"tiers": []},
        {"description": "Hexagon bolt, stainless"},
        {"sku": "text-large-2.5:batch"},
        TOKENS,
        TOKENS | {"unit_quantity": 1000, "price": "0.00001"},
        TOKENS | {"unit_quantity": 1, "price": "0.00000001"},
        TOKENS | {"currency": "VND", "price": "76000"},
        {"price": "1.200", "currency": "KWD", "tiers": ...},
        {"price": "0.125", "tiers": ...},
        {"currency": "JPY", "price": "1200", "tiers": ...},
    ],
)
def test_a_good_price_has_no_findings(changes: dict[str, Any]) -> None:
    assert builtin_ruleset("price_list").check(price(**changes)) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sku": ...}, {("/sku", "schema.required")}),
        ({"sku": "Bolt M6 x 20"}, {("/sku", "schema.pattern")}),
        ({"unit": "Each"}, {("/unit", "schema.enum")}),
        ({"unit": "1M tokens"}, {("/unit", "schema.enum")}),
        ({"unit_quantity": "1M"}, {("/unit_quantity", "schema.enum")}),
        ({"unit_quantity": 12}, {("/unit_quantity", "schema.enum")}),
        ({"price": 12.4}, {("/price", "schema.type")}),
        ({"price": "12,40"}, {("/price", "schema.pattern")}),
        ({"price": "3e-6"}, {("/price", "schema.pattern")}),
        ({"price": ".5"}, {("/price", "schema.pattern")}),
        ({"price": "on the road"}, {("/price", "schema.pattern")}),
        ({"currency": "€"}, {("/currency", "schema.pattern")}),
        ({"valid_from": ...}, {("/valid_from", "schema.required")}),
        ({"valid_to": "open"}, {("/valid_to", "schema.format")}),
        ({"tiers": [tier(min_quantity=1)]}, {("/tiers/0/min_quantity", "schema.minimum")}),
        ({"tiers": [tier(min_quantity=500.5)]}, {("/tiers/0/min_quantity", "schema.type")}),
        ({"tiers": [tier(price="on req.")]}, {("/tiers/0/price", "schema.pattern")}),
        ({"tiers": [tier(min_quantity=n + 2) for n in range(21)]}, {("/tiers", "schema.maxItems")}),
        ({"price": "-0.01", "tiers": ...}, {("/price", "rule.price_negative")}),
        ({"price": "0", "tiers": ...}, {("/price", "rule.price_zero")}),
        ({"price": "1.200", "tiers": ...}, {("/price", "rule.point_groups")}),
        (TOKENS | {"unit_quantity": 1}, {("/unit_quantity", "rule.unit_price_high")}),
        (TOKENS | {"price": "0.000003"}, {("/unit_quantity", "rule.unit_price_low")}),
        ({"unit": "month", "unit_quantity": 1_000_000}, {("/unit_quantity", "rule.unit_quantity_unlikely")}),
        ({"currency": "XTS"}, {("/currency", "rule.currency_unknown")}),
        ({"currency": "BGN"}, {("/currency", "rule.price_currency_withdrawn")}),
        ({"currency": "BGN", "valid_to": ...}, {("/currency", "rule.price_currency_withdrawn")}),
        ({"currency": "BGN", "valid_to": "2025-12-31"}, {("/currency", "rule.price_currency_ends")}),
        ({"valid_to": "2025-09-30"}, {("/valid_to", "rule.price_validity_reversed")}),
        ({"valid_from": "0000-10-01"}, {("/valid_from", "rule.year_unlikely")}),
        ({"tiers": [tier(), tier(), tier(min_quantity=9)]}, {
            ("/tiers/0/min_quantity", "rule.tier_repeated"),
            ("/tiers/1/min_quantity", "rule.tier_repeated"),
        }),
        ({"tiers": [tier(price="0.00")]}, {("/tiers/0/price", "rule.tier_not_positive")}),
        ({"tiers": [tier(price="12.41")]}, {("/tiers/0/price", "rule.tier_above_price")}),
        ({"tiers": [tier(min_quantity=5000, price="12"), tier()]}, {("/tiers/0/price", "rule.tier_rises")}),
    ],
)  # fmt: skip
def test_a_bad_price_has_exactly_these_findings(changes: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert found(builtin_ruleset("price_list"), price(**changes)) == expected


@pytest.mark.parametrize(
    "words",
    ["on req.", "On Request", "on req", "TBA", "tbd", "N/A", "n.a.", "POA", "call", "incl.", "-", "--", "?", "free"],
)
def test_words_in_place_of_a_price_are_named_as_such_and_stand_in_nobodys_way(words: str) -> None:
    (finding,) = builtin_ruleset("price_list").check(price(price=words))

    assert (finding.pointer, finding.code, finding.severity) == ("/price", "rule.price_placeholder", "error")
    assert finding.params == {"price": words}
    assert words in finding.message()


def test_a_price_without_a_number_hides_no_other_finding() -> None:
    both = price(price="on req.", currency="EUU", tiers=[tier(), tier()])

    assert found(builtin_ruleset("price_list"), both) == {
        ("/price", "rule.price_placeholder"),
        ("/currency", "rule.currency_unknown"),
        ("/tiers/0/min_quantity", "rule.tier_repeated"),
        ("/tiers/1/min_quantity", "rule.tier_repeated"),
    }
