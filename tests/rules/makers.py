"""Plain makers of items and rule sets for the tests of the rules."""

from functools import cache
from typing import Any

from app.rules import RuleSet, builtin, compile_rules


@cache
def builtin_ruleset(name: str) -> RuleSet:
    """Return the built-in rule set called `name`."""
    (definition,) = (each for each in builtin.definitions() if each["name"] == name)
    return compile_rules(definition)


def fx_rate(**changes: Any) -> dict[str, Any]:
    """Return a good exchange rate, changed; a field changed to `...` is left out."""
    good = {"date": "2025-04-11", "base": "EUR", "quote": "USD", "rate": "1.1346", "source": "ECB"}
    return changed(good, changes)


def freight_rate(**changes: Any) -> dict[str, Any]:
    """Return a good freight rate, changed; a field changed to `...` is left out."""
    good = {
        "carrier": "MAEU",
        "contract": "NAC-1001",
        "origin": "MACAS",
        "destination": "NLRTM",
        "service": "CY/CY",
        "equipment": "40HC",
        "commodity": "FAK",
        "currency": "USD",
        "amount": "1250.00",
        "min_amount": "1000",
        "unit": "per_container",
        "surcharges": [surcharge(), surcharge(code="THC", amount="95.50", currency="EUR")],
        "valid_from": "2025-10-01",
        "valid_to": "2025-12-31",
        "transit_days": 14,
        "free_days": 7,
    }
    return changed(good, changes)


def surcharge(**changes: Any) -> dict[str, Any]:
    """Return a good surcharge, changed."""
    return changed({"code": "BAF", "amount": "120.00", "currency": "USD"}, changes)


def price(**changes: Any) -> dict[str, Any]:
    """Return a good line of a price list, changed; a field changed to `...` is left out."""
    good = {
        "sku": "M6X20-A2",
        "unit": "each",
        "unit_quantity": 100,
        "price": "12.40",
        "currency": "EUR",
        "tiers": [tier(), tier(min_quantity=5000, price="9.95")],
        "valid_from": "2025-10-01",
        "valid_to": "2026-09-30",
    }
    return changed(good, changes)


def tier(**changes: Any) -> dict[str, Any]:
    """Return a good lower price for more, changed."""
    return changed({"min_quantity": 500, "price": "11.20"}, changes)


def changed(good: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `good` with `changes`, without those that are `...`."""
    return {field: value for field, value in (good | changes).items() if value is not ...}


def definition(**changes: Any) -> dict[str, Any]:
    """Return a rule set of one condition about any object, changed."""
    plain = {"name": "plain", "version": 1, "title": "Plain", "schema": {"type": "object"}, "rules": [rule()]}
    return changed(plain, changes)


def rule(**changes: Any) -> dict[str, Any]:
    """Return a rule that asks for `a` to be less than ten, changed."""
    plain = {"id": "small", "expr": "item.a < 10", "message": "{a} is not small.", "severity": "error", "pointer": "/a"}
    return changed(plain, changes)


def found(ruleset: RuleSet, item: Any) -> set[tuple[str, str]]:
    """Return what `ruleset` finds in `item`, as (pointer, code)."""
    return {(finding.pointer, finding.code) for finding in ruleset.check(item)}
