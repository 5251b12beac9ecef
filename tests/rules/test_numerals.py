"""Numbers as people write them: read where there is one way to read them, never guessed."""

import pytest
from babel import Locale, localedata
from babel.numbers import get_decimal_symbol, get_group_symbol
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules import numerals


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1200", "1200"),
        ("1200.50", "1200.50"),
        ("-0.5", "-0.5"),
        ("1.200,00", "1200.00"),
        ("1,200.00", "1200.00"),
        ("1 200,5", "1200.5"),
        ("1\u202f200,5", "1200.5"),
        ("1\u00a0200.5", "1200.5"),
        ("1'200.50", "1200.50"),
        ("12,34,567.5", "1234567.5"),
        ("1.234.567", "1234567"),
        ("12,5", "12.5"),
        ("0,125", "0.125"),
        ("\u221212,5", "-12.5"),
        ("+7", "7"),
    ],
)
def test_a_number_that_can_be_read_in_one_way_only_is_read(text: str, number: str) -> None:
    assert numerals.read(text, None) == number


@pytest.mark.parametrize("text", ["1,234", "-12,345", "123,456"])
def test_a_comma_that_may_be_either_is_not_guessed(text: str) -> None:
    assert numerals.read(text, None) is None
    assert numerals.read(text, "en") == text.replace(",", "")
    assert numerals.read(text, "de") == text.replace(",", ".")


@pytest.mark.parametrize(
    ("text", "locale", "number"),
    [
        ("1.234", "de", "1234"),
        ("1.234", "vi", "1234"),
        ("1.234,50", "vi", "1234.50"),
        ("1 234,50", "fr", "1234.50"),
        ("1'234.50", "de_CH", "1234.50"),
        ("1.5", "de", None),
        ("1,5", "en", None),
        ("1.23,4", "de", None),
    ],
)
def test_a_declared_locale_is_taken_at_its_word(text: str, locale: str, number: str | None) -> None:
    assert numerals.read(text, locale) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "on req.",
        "NaN",
        "Infinity",
        "1e5",
        "1_000",
        "0x1F",
        "\u0661\u0662",
        "1,2,3",
        "1.2.3",
        "12.",
        ".5",
        "9" * 41,
    ],
)
@pytest.mark.parametrize("locale", [None, "en", "de"])
def test_what_is_no_number_is_not_read(text: str, locale: str | None) -> None:
    assert numerals.read(text, locale) is None


def conventions() -> list[str]:
    """Return one locale for each way of writing numbers that there is."""
    ways = {}
    for name in localedata.locale_identifiers():
        locale = Locale.parse(name)
        ways[get_group_symbol(locale), get_decimal_symbol(locale), locale.decimal_formats[None].pattern] = name
    return list(ways.values())


CONVENTIONS = conventions()


@settings(deadline=None, max_examples=50)
@given(st.from_regex(r"\A-?[0-9]{1,4}([., '\u00a0\u202f][0-9]{1,3}){0,3}\Z"))
def test_no_locale_reads_another_number(text: str) -> None:
    number = numerals.read(text, None)

    if number is not None and number != text:
        assert {numerals.read(text, locale) for locale in CONVENTIONS} <= {number, None}


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_json_number_keeps_its_value_as_a_decimal_string(number: float) -> None:
    assert type(number)(numerals.decimal(number)) == number
    assert "e" not in numerals.decimal(number).lower()
