"""Numbers as people write them, `1.200,00` or `1 200.50`, read as decimal strings.

Which number `1,234` is depends on who wrote it, and nothing in the text says so. It is read where a locale is declared,
and left alone where none is: there only a text counts that is the same number in every way of writing.
"""

import re
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberFormatError, get_decimal_symbol, get_group_symbol, parse_decimal

#: Longer than any amount of money: what is longer is not looked at.
LONGEST = 40

#: Each way to write numbers once: 1,234.5 and 1.234,5 and 1 234,5 and 1 234.5 and 1'234.5 and 12,34,567.5.
_WAYS = ("en", "de", "fr", "dje", "de_CH", "en_IN")

# ASCII digits only, and nothing of what Decimal takes besides: "NaN", "1e5", "1_000".
_NUMBER = re.compile(r"[+\-\u2212]?[0-9](?:[0-9.,'\u2019 \u00a0\u2009\u202f]*[0-9])?")
_CANONICAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_SPACES = re.compile(r"[ \u00a0\u2009\u202f]")


def known(locale: str) -> bool:
    """Return whether there is a locale of that name, such as `de` or `de_CH`."""
    try:
        Locale.parse(locale)
    except (UnknownLocaleError, ValueError):
        return False
    return True


def read(text: str, locale: str | None) -> str | None:
    """Return the number that `text` is, as a decimal string (`1200.00`); None when it is none, or not for certain.

    With a `locale`, what that says counts: in `de`, `1.234` is `1234`. Without, a decimal string is itself, and other
    ways of writing are read when they can mean one number only. All digits stay, trailing zeros too.
    """
    if len(text) > LONGEST or not _NUMBER.fullmatch(text):
        return None
    if locale is not None:
        return _read(text, locale)
    if _CANONICAL.fullmatch(text):
        return text
    meant = {number for way in _WAYS if (number := _read(text, way)) is not None}
    return meant.pop() if len(meant) == 1 else None


def _read(text: str, name: str) -> str | None:
    way = _way(name)
    plain = text.removeprefix("+").replace("\u2212", "-")
    if _SPACES.fullmatch(way.group):  # Any narrow or wide space is meant when people group digits by one.
        plain = _SPACES.sub(way.group, plain)
    elif way.group == "\u2019":
        plain = plain.replace("'", way.group)
    if not way.form.fullmatch(plain):
        return None
    with suppress(NumberFormatError):
        return format(parse_decimal(plain, locale=way.locale, strict=True), "f")
    return None


class _Way(NamedTuple):
    locale: Locale
    group: str
    #: What a number looks like, roughly: to find out by Babel that it is none takes a hundred times as long.
    form: re.Pattern[str]


@cache
def _way(name: str) -> _Way:
    locale = Locale.parse(name)
    group, point = get_group_symbol(locale), get_decimal_symbol(locale)
    fraction = f"(?:{re.escape(point)}[0-9]+)?"
    form = re.compile(f"-?(?:[0-9]+|[0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{2,3}})+){fraction}")
    return _Way(locale, group, form)


def decimal(number: float) -> str:
    """Return a JSON number as a decimal string, with the digits that it was most likely written with."""
    return format(Decimal(repr(number)), "f")
