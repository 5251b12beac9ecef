"""Money as decimal strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import amounts

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=6).map(lambda number: f"{number:f}")


@given(AMOUNTS, AMOUNTS)
def test_comparing_is_exact_and_the_other_way_round_the_opposite(left: str, right: str) -> None:
    assert amounts.compare(left, right) == -amounts.compare(right, left)
    assert amounts.compare(left, left + ("0" if "." in left else ".0")) == 0


@pytest.mark.parametrize(
    "text", ["", "1,5", "1_000", "NaN", "Infinity", "1e5", "+1", ".5", "5.", " 1", "1\n", "٣", "0x1"]
)
def test_only_plain_decimals_are_amounts(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal number"):
        amounts.decimal(text)


@pytest.mark.parametrize(("text", "count"), [("1", 0), ("1.5", 1), ("1.50", 2), ("1.200", 3), ("-0.05", 2)])
def test_written_decimals_count_zeros_too(text: str, count: int) -> None:
    assert amounts.decimals(text) == count


@pytest.mark.parametrize(
    ("amount", "currency", "fits"),
    [
        ("1.99", "USD", True),
        ("1.200", "USD", False),
        ("100", "JPY", True),
        ("100.0", "JPY", False),
        ("1.125", "KWD", True),
        ("1.1250", "KWD", False),
        ("1.123456", "XAU", True),
        ("1.123456", "BGN", True),
        ("1.123456", "ZZZ", True),
    ],
)
def test_an_amount_fits_the_minor_units_of_its_currency(amount: str, currency: str, fits: bool) -> None:
    assert amounts.fits(amount, currency) is fits
