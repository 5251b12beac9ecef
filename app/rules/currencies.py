"""Currencies as ISO 4217 has them: which exist, how many decimals they have, when they ended.

Not from a locale library: CLDR's decimals are those of cash (IQD 0 where ISO says 3), and it keeps dead ones alive.
"""

from functools import cache
from typing import Any

from app.rules import tables

#: Codes of the standard that price nothing: "no currency" and "for testing".
NO_MONEY = {"XXX", "XTS"}


def read(text: str) -> dict[str, Any]:
    """Return what a condition can ask about a currency code. The dict is shared: do not change it.

    `known` is whether ISO 4217 has, or ever had, a currency of that code. `until` is the last day of a withdrawn one,
    as ISO date; `minor_units` is how many decimals an amount has. Each is there only where ISO gives one.
    """
    return _currencies().get(text) or {"text": text, "known": False}


@cache
def _currencies() -> dict[str, dict[str, Any]]:
    rows = tables.read("iso4217")["currencies"]
    return {code: _currency(code, row) for code, row in rows.items()}


def _currency(code: str, row: dict[str, Any]) -> dict[str, Any]:
    given = {name: row[name] for name in ("minor_units", "until") if row.get(name) is not None}
    return {"text": code, "known": code not in NO_MONEY, **given}
