"""Money as decimal strings."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import amounts

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)


@given(AMOUNTS, AMOUNTS)
def test_units_add_up_and_compare_exactly(left: Decimal, right: Decimal) -> None:
    one, other, both = (amounts.read(f"{number:f}") for number in (left, right, left + right))

    assert one
    assert other
    assert both
    assert one["units"] + other["units"] == both["units"]
    assert (one["units"] < other["units"]) == (left < right)
    assert one["sign"] == (left > 0) - (left < 0)


@pytest.mark.parametrize(
    ("text", "sign", "decimals", "units"),
    [
        ("1", 1, 0, 1_000_000),
        ("1.50", 1, 2, 1_500_000),
        ("1.200", 1, 3, 1_200_000),
        ("-0.05", -1, 2, -50_000),
        ("0.00", 0, 2, 0),
        ("-0", 0, 0, 0),
        ("0.0000010", 1, 7, 1),
        ("9223372036854.775807", 1, 6, 2**63 - 1),
    ],
)
def test_an_amount_is_read(text: str, sign: int, decimals: int, units: int) -> None:
    assert amounts.read(text) == {"text": text, "sign": sign, "decimals": decimals, "units": units}


@pytest.mark.parametrize("text", ["0.0000001", "9223372036854.775808", "1" * 5000])
def test_what_is_no_whole_number_of_units_has_a_sign_only(text: str) -> None:
    read = amounts.read(text)

    assert read
    assert read["sign"] == 1
    assert "units" not in read


@pytest.mark.parametrize(
    "text", ["", "1,5", "1_000", "NaN", "Infinity", "1e5", "+1", ".5", "5.", " 1", "1\n", "٣", "0x1", "-", "--1"]
)
def test_only_plain_decimals_are_amounts(text: str) -> None:
    assert amounts.read(text) is None
