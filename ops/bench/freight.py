"""Freight items to measure rules with, a rule set for them, and its conditions in plain CEL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

CURRENCIES = (
    *("USD", "EUR", "GBP", "JPY", "CNY", "KRW", "INR", "SGD", "HKD", "VND", "THB", "IDR"),
    *("MYR", "AUD", "CAD", "CHF", "SEK", "NOK", "DKK", "PLN", "TRY", "AED", "BRL", "ZAR"),
)
_PORTS = (
    "CNSHA",
    "CNNGB",
    "VNSGN",
    "VNHPH",
    "SGSIN",
    "KRPUS",
    "JPYOK",
    "INNSA",
    "TRMER",
    "MACAS",
    "NLRTM",
    "DEHAM",
    "BEANR",
    "GBFXT",
    "FRLEH",
    "ESVLC",
)
_CARRIERS = ("MAEU", "MSCU", "CMDU", "HLCU", "ONEY", "COSU", "EGLV", "YMLU")
_BOXES = ("20GP", "40GP", "40HC", "45HC", "20RF", "40RH", "20OT", "40FR")
_SURCHARGES = ("BAF", "CAF", "THC", "PSS", "LSS", "ISPS", "WRS")
_AMOUNT = {"type": "string", "pattern": "^-?(0|[1-9][0-9]{0,11})(\\.[0-9]{1,6})?$"}
_CODE = {"type": "string", "pattern": "^[A-Z]{3}$"}
_PORT = {"type": "string", "pattern": "^[A-Z]{2}[A-Z2-9]{3}$"}
_DATE = {"type": "string", "format": "date"}

_DAYS = 'timestamp(item.valid_to + "T00:00:00Z") - timestamp(item.valid_from + "T00:00:00Z") <= duration("17568h")'
_UNIT = '(item.equipment == "LCL") == (item.unit in ["per_wm", "per_tonne", "per_cbm"]) || item.unit == "per_bl"'


def _rule(name: str, expr: str, pointer: str, **params: str) -> dict[str, Any]:
    message = f"Breaks {name}."
    return {
        "id": name, "expr": expr, "message": message, "severity": "error", "pointer": pointer, "params": params,
    }  # fmt: skip


#: Eight rules as an author writes them for this platform.
RULESET: dict[str, Any] = {
    "name": "bench_freight",
    "version": 1,
    "title": "Freight rates to measure with",
    "schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["carrier", "contract", "origin", "destination", "equipment", "currency", "amount", "unit"],
        "additionalProperties": False,
        "properties": {
            "carrier": {"type": "string", "pattern": "^[A-Z]{4}$"},
            "contract": {"type": "string", "minLength": 1, "maxLength": 40},
            "origin": _PORT,
            "destination": _PORT,
            "service": {"enum": ["CY/CY", "CY/DOOR", "DOOR/CY", "DOOR/DOOR", "CFS/CFS"]},
            "equipment": {"enum": [*_BOXES, "LCL"]},
            "commodity": {"type": "string", "minLength": 1, "maxLength": 80},
            "currency": _CODE,
            "amount": _AMOUNT,
            "min_amount": _AMOUNT,
            "unit": {"enum": ["per_container", "per_bl", "per_wm", "per_tonne", "per_cbm"]},
            "surcharges": {
                "type": "array",
                "maxItems": 20,
                "items": {
                    "type": "object",
                    "required": ["code", "amount", "currency"],
                    "additionalProperties": False,
                    "properties": {
                        "code": {"type": "string", "pattern": "^[A-Z]{2,5}$"},
                        "amount": _AMOUNT,
                        "currency": _CODE,
                    },
                },
            },
            "valid_from": _DATE,
            "valid_to": _DATE,
            "transit_days": {"type": "integer", "minimum": 1, "maximum": 180},
        },
    },
    "facts": {"/currency": "currency", "/amount": "decimal", "/min_amount": "decimal"},
    "rules": [
        _rule("same_port", "item.origin != item.destination", "/destination", port="item.origin"),
        _rule("reversed", "item.valid_from <= item.valid_to", "/valid_to", valid_from="item.valid_from"),
        _rule("long", _DAYS, "/valid_to", valid_to="item.valid_to"),
        _rule("currency_unknown", "item.currency.known", "/currency", currency="item.currency.text"),
        _rule("not_positive", "item.amount.sign > 0", "/amount", amount="item.amount.text"),
        _rule(
            "min_above",
            "!has(item.min_amount) || item.min_amount.units <= item.amount.units",
            "/min_amount",
            amount="item.amount.text",
        ),
        _rule("unit_mismatch", _UNIT, "/unit", unit="item.unit"),
        _rule(
            "surcharge_repeated",
            "item.surcharges.filter(other, other.code == each.code).size() == 1",
            "/surcharges/*/code",
            code="each.code",
        ),
    ],
}

_KNOWN = ", ".join(f'"{code}"' for code in CURRENCIES)

#: The same eight as plain CEL can ask them of the item itself.
PLAIN = [
    "item.origin != item.destination",
    "item.valid_from <= item.valid_to",
    _DAYS,
    f"item.currency in [{_KNOWN}]",
    "double(item.amount) > 0.0",
    "!has(item.min_amount) || double(item.min_amount) <= double(item.amount)",
    _UNIT,
    "item.surcharges.all(one, item.surcharges.filter(other, other.code == one.code).size() == 1)",
]


def items(seed: int) -> Iterator[dict[str, Any]]:
    """Yield items without end, the same for the same seed; every fifth is bad, in turn by schema and by rules."""
    random = Random(seed)
    number = 0
    while True:
        number += 1
        item = _good(random)
        if number % 10 == 5:
            random.choice(_MISSHAPE)(item)
        elif number % 10 == 0:
            random.choice(_BREAK)(item)
        yield item


def _good(random: Random) -> dict[str, Any]:
    origin, destination = random.sample(_PORTS, 2)
    first = date(2025, 7, 1) + timedelta(days=random.randrange(240))
    amount = random.randrange(80_000, 600_000)
    codes = random.sample(_SURCHARGES, 2)
    return {
        "carrier": random.choice(_CARRIERS),
        "contract": f"NAC-{random.randrange(1000, 9999)}",
        "origin": origin,
        "destination": destination,
        "service": "CY/CY",
        "equipment": random.choice(_BOXES),
        "commodity": "FAK",
        "currency": random.choice(CURRENCIES),
        "amount": f"{amount // 100}.{amount % 100:02}",
        "min_amount": f"{amount // 200}",
        "unit": "per_container",
        "surcharges": [
            {"code": code, "amount": f"{random.randrange(20, 300)}.00", "currency": random.choice(CURRENCIES)}
            for code in codes
        ],
        "valid_from": first.isoformat(),
        "valid_to": (first + timedelta(days=random.randrange(14, 180))).isoformat(),
        "transit_days": random.randrange(5, 45),
    }


#: Five errors of shape in the first, one or two in the others.
_MISSHAPE = (
    lambda item: item.update(
        amount="on req.", currency="usd", origin="Shanghai", unit="per box", valid_to=item["valid_to"].replace("-", "/")
    ),
    lambda item: item.update(amount="1.200,00"),
    lambda item: (item.pop("unit"), item.update(Unit="per_container")),
    lambda item: item.update(transit_days=0, destination="NL RTM"),
)
_BREAK = (
    lambda item: item.update(destination=item["origin"]),
    lambda item: item.update(valid_to="2025-01-31"),
    lambda item: item.update(valid_to="2035-01-31"),
    lambda item: item.update(currency="QQQ"),
    lambda item: item.update(amount="0", min_amount="0"),
    lambda item: item.update(min_amount="9999999"),
    lambda item: item.update(unit="per_wm"),
    lambda item: item["surcharges"].append(item["surcharges"][0]),
)
