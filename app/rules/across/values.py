"""What rows are compared by beside their key: days, amounts and places in an order."""

import re
from datetime import date
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

#: The last day of what is valid until further notice.
OPEN_END = "9999-12-31"
#: Prices are shorter; what is longer is left out.
LONGEST_AMOUNT = 64
#: Exact for amounts, from a float's smallest to its largest.
EXACT = Context(prec=1_000)
_SHORT = Context(prec=12)

# What `amounts.read` takes for an amount, but works out nothing: this is asked a million times.
_AMOUNT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day(value: Any) -> str | None:
    """Return an ISO 8601 date (`2025-12-31`, no other form), which compares as text does; None for anything else."""
    return value if isinstance(value, str) and len(value) == len(OPEN_END) and _is_day(value) else None


def amount(value: Any) -> str | None:
    """Return a decimal string or a JSON number as text for `Decimal`; None for anything else."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_AMOUNT and _AMOUNT.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return str(value) if _has_64_bits(value) else None
    return repr(value) if Decimal(value).is_finite() else None


def place(value: Any) -> str | None:
    """Return a text that compares as the places of an order do: dates, or whole numbers; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value + 2**63:020d}" if _has_64_bits(value) else None
    return day(value)


def changes_more(previous: Decimal, now: Decimal, most: Decimal) -> bool:
    """Return whether `now` is off by more than the share `most` of `previous`; of zero, any change is more."""
    return abs(EXACT.subtract(now, previous)) > EXACT.multiply(most, abs(previous))


def percent(previous: Decimal, now: Decimal) -> str | None:
    """Return by how many per cent of `previous` the amount has changed, to one decimal; None when that was zero."""
    if not previous:
        return None
    share = _SHORT.divide(abs(EXACT.subtract(now, previous)), abs(previous))
    return f"{_SHORT.multiply(share, Decimal(100)):.1f}"


def _has_64_bits(number: int) -> bool:
    return -(2**63) <= number < 2**64


@lru_cache(maxsize=4096)
def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False
