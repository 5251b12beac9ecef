"""The built-in rule set for freight rates: what it lets pass and what it finds."""

from typing import Any

import pytest

from tests.rules.makers import builtin_ruleset, found, freight_rate, surcharge


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict.fromkeys(("service", "commodity", "min_amount", "surcharges", "transit_days", "free_days"), ...),
        {"surcharges": []},
        {"surcharges": [surcharge(amount="-50.00")]},
        {"equipment": "LCL", "unit": "per_wm"},
        {"equipment": "LCL", "unit": "per_kg", "amount": "0.125", "min_amount": ...},
        {"unit": "per_bl"},
        {"unit": "per_teu"},
        {"currency": "JPY", "amount": "180000", "min_amount": ...},
        {"currency": "KWD", "amount": "350.505", "min_amount": ...},
        {"valid_to": "2025-10-01"},
        {"remarks": "Subject to GRI"},
    ],
)
def test_a_good_rate_has_no_findings(changes: dict[str, Any]) -> None:
    assert builtin_ruleset("freight_rate").check(freight_rate(**changes)) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"carrier": "Maersk"}, {("/carrier", "schema.pattern")}),
        ({"contract": ""}, {("/contract", "schema.minLength")}),
        ({"origin": "Marocco"}, {("/origin", "schema.pattern")}),
        ({"destination": "Famagusta (via Mersin)"}, {("/destination", "schema.pattern")}),
        ({"origin": "UKFXT"}, {("/origin", "rule.origin_country_unknown")}),
        ({"destination": "ZZRTM"}, {("/destination", "rule.destination_country_unknown")}),
        ({"destination": "MACAS"}, {("/destination", "rule.same_port")}),
        ({"equipment": "20gp"}, {("/equipment", "schema.enum")}),
        ({"service": "port to port"}, {("/service", "schema.enum")}),
        ({"currency": "usd"}, {("/currency", "schema.pattern")}),
        ({"currency": "USX"}, {("/currency", "rule.currency_unknown")}),
        ({"currency": "HRK"}, {("/currency", "rule.currency_withdrawn")}),
        ({"currency": "BGN", "valid_to": "2026-01-01"}, {("/currency", "rule.currency_withdrawn")}),
        ({"currency": "BGN", "valid_to": "2025-12-31"}, {("/currency", "rule.currency_ends")}),
        ({"amount": "on req."}, {("/amount", "schema.pattern")}),
        ({"amount": "1.200,00"}, {("/amount", "schema.pattern")}),
        ({"amount": 1250.0}, {("/amount", "schema.type")}),
        ({"amount": "1.200", "min_amount": ...}, {("/amount", "rule.amount_too_precise")}),
        ({"currency": "JPY", "amount": "180000.50"}, {("/amount", "rule.amount_too_precise")}),
        ({"amount": "0", "min_amount": ...}, {("/amount", "rule.amount_not_positive")}),
        ({"min_amount": "1250.01"}, {("/min_amount", "rule.min_above_amount")}),
        ({"unit": ...}, {("/unit", "schema.required")}),
        ({"unit": "W/M"}, {("/unit", "schema.enum")}),
        ({"unit": "per_wm"}, {("/unit", "rule.unit_mismatch")}),
        ({"equipment": "LCL"}, {("/unit", "rule.unit_mismatch")}),
        ({"valid_to": "31/12/2025"}, {("/valid_to", "schema.format")}),
        ({"valid_to": "2025-09-30"}, {("/valid_to", "rule.validity_reversed")}),
        ({"valid_to": "2052-12-31"}, {("/valid_to", "rule.validity_long")}),
        ({"valid_from": "1899-12-30"}, {("/valid_from", "rule.year_unlikely")}),
        ({"valid_from": "0000-01-01"}, {("/valid_from", "rule.year_unlikely")}),
        ({"min_amount": "1000.505"}, {("/min_amount", "rule.min_too_precise")}),
        ({"valid_to": "9999-12-31"}, {("/valid_to", "rule.validity_long")}),
        ({"transit_days": "14-16"}, {("/transit_days", "schema.type")}),
        ({"transit_days": 0}, {("/transit_days", "schema.minimum")}),
        ({"free_days": 91}, {("/free_days", "schema.maximum")}),
        ({"Rate W/M": "1250.00", "amount": ...}, {
            ("/amount", "schema.required"),
            ("/Rate W~1M", "schema.additionalProperties"),
        }),
        ({"surcharges": [surcharge(), surcharge(amount="1.00"), surcharge(code="THC")]}, {
            ("/surcharges/0/code", "rule.surcharge_repeated"),
            ("/surcharges/1/code", "rule.surcharge_repeated"),
        }),
        ({"surcharges": [surcharge(), surcharge(code="THC", currency="UDS")]}, {
            ("/surcharges/1/currency", "rule.surcharge_currency_unknown"),
        }),
        ({"surcharges": [surcharge(currency="HRK")]}, {
            ("/surcharges/0/currency", "rule.surcharge_currency_withdrawn"),
        }),
        ({"surcharges": [surcharge(currency="BGN")]}, {("/surcharges/0/currency", "rule.surcharge_currency_ends")}),
        ({"surcharges": [surcharge(currency="JPY")]}, {("/surcharges/0/amount", "rule.surcharge_too_precise")}),
        ({"surcharges": [surcharge(currency=...)]}, {("/surcharges/0/currency", "schema.required")}),
        ({"surcharges": [surcharge(code=f"C{chr(65 + n)}") for n in range(21)]}, {("/surcharges", "schema.maxItems")}),
    ],
)  # fmt: skip
def test_a_bad_rate_has_exactly_these_findings(changes: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert found(builtin_ruleset("freight_rate"), freight_rate(**changes)) == expected


def test_a_currency_that_ends_after_the_rate_is_a_warning_only() -> None:
    (finding,) = builtin_ruleset("freight_rate").check(freight_rate(currency="BGN"))

    assert finding.severity == "warning"
    assert finding.message() == "BGN is withdrawn after the rate ends: its last day is 2025-12-31."
