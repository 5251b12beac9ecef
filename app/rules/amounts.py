"""Money as decimal strings: `"1234.50"`. Never floats, where 0.1 + 0.2 is not 0.3 and 19.99 is no multiple of 0.01."""

import re
from typing import Any

# ASCII digits only: \d would take Arabic-Indic ones too, and Decimal also "NaN" and "1_000".
_AMOUNT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")

#: `units` counts millionths, so that sums and comparisons are exact integers.
SCALE = 6
_LARGEST = 2**63 - 1
#: Digits before the point that fit whatever they are.
_SAFE = len(str(_LARGEST)) - 1 - SCALE


def read(text: str) -> dict[str, Any] | None:
    """Return what a condition can ask about an amount, None when `text` is none.

    `sign` is -1, 0 or 1. `decimals` counts the digits written after the point, zeros too: `1.200` is a thousand and two
    hundred where a point groups digits, and must not pass as 1.2. `units` is the amount in millionths, there only when
    that is a whole number of 64 bits.
    """
    written = _AMOUNT.fullmatch(text)
    if not written:
        return None
    minus, whole, fraction = written.groups("")
    decimals = len(fraction)
    if decimals <= SCALE and len(whole) <= _SAFE:  # As almost all are: quick, because every item has some.
        units = int(whole + fraction) * 10 ** (SCALE - decimals)
        if minus:
            units = -units
        return {"text": text, "sign": (units > 0) - (units < 0), "decimals": decimals, "units": units}
    zero = not (whole + fraction).strip("0")
    amount = {"text": text, "sign": 0 if zero else -1 if minus else 1, "decimals": len(fraction)}
    units = _units(minus, whole, fraction.rstrip("0"))
    return amount if units is None else amount | {"units": units}


def _units(minus: str, whole: str, fraction: str) -> int | None:
    digits = (whole + fraction.ljust(SCALE, "0")).lstrip("0") or "0"
    if len(fraction) > SCALE or len(digits) > len(str(_LARGEST)):
        return None
    units = int(digits)
    return None if units > _LARGEST else -units if minus else units
