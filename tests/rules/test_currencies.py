"""The ISO 4217 table: facts that must hold, and the whole of it against a published list where that is at hand."""

import calendar
import csv
import re
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from app.rules import currencies, tables

#: A copy of datasets/currency-codes, which a checkout may have beside it.
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "iso4217-codes-all.csv"

TABLE = tables.read("iso4217")["currencies"]


@pytest.mark.parametrize(
    ("code", "units"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("VND", 0), ("ISK", 0), ("KWD", 3), ("BHD", 3), ("IQD", 3),
     ("CLF", 4), ("UYW", 4), ("XAU", -1), ("XXX", -1), ("BGN", -1), ("ZZZ", -1)],
)  # fmt: skip
def test_minor_units_are_those_of_iso(code: str, units: int) -> None:
    assert currencies.minor_units(code) == units


@pytest.mark.parametrize(
    ("code", "last"),
    [("BGN", "2025-12-31"), ("HRK", "2022-12-31"), ("LTL", "2014-12-31"), ("EEK", "2010-12-31"), ("ROL", "2005-06-30"),
     ("DEM", "2002-02-28"), ("VNC", "1990-12-31"), ("EUR", ""), ("RON", ""), ("TRY", ""), ("ZZZ", "")],
)  # fmt: skip
def test_a_withdrawn_currency_has_a_last_day(code: str, last: str) -> None:
    assert currencies.until(code) == last


def test_a_currency_is_withdrawn_from_the_day_after_its_last() -> None:
    assert not currencies.withdrawn("BGN", "2025-12-31")
    assert currencies.withdrawn("BGN", "2026-01-01")
    assert not currencies.withdrawn("EUR", "9999-12-31")
    assert not currencies.withdrawn("ZZZ", "2026-01-01")


def test_dead_currencies_are_known_and_invented_ones_are_not() -> None:
    assert currencies.known("DEM")
    assert not currencies.known("EUU")
    assert not currencies.known("usd")


def test_every_row_is_whole() -> None:
    for code, row in TABLE.items():
        assert re.fullmatch("[A-Z]{3}", code)
        assert row["minor_units"] in (None, 0, 2, 3, 4)
        assert ("withdrawn" in row) == ("until" in row)
        if "until" in row:
            assert around(row["withdrawn"], date.fromisoformat(row["until"])), code


def test_the_table_is_the_published_list() -> None:
    if not PUBLISHED.exists():
        # The facts above stand by themselves; the size is what the published list has.
        assert (len(TABLE), sum("until" not in row for row in TABLE.values())) == (307, 178)
        return
    rows = defaultdict(list)
    for row in csv.DictReader(PUBLISHED.read_text(encoding="utf-8").splitlines()):
        rows[row["AlphabeticCode"]].append(row)
    del rows[""]

    published = {code: stated(entries) for code, entries in rows.items()}

    assert {code: (row["minor_units"], row.get("withdrawn", "")) for code, row in TABLE.items()} == published


def stated(entries: list[dict[str, str]]) -> tuple[int | None, str]:
    """Return minor units and withdrawal of one code: current when any country still uses it, else as the last says."""
    current = [entry for entry in entries if not entry["WithdrawalDate"]]
    if not current:
        return None, max(entry["WithdrawalDate"] for entry in entries)
    units = current[0]["MinorUnit"]
    return (int(units) if units.isdigit() else None), ""


def around(withdrawn: str, until: date) -> bool:
    """Return whether `until` is the day before the month or year that ISO states, or the end of it or of its span."""
    periods = re.findall(r"\d{4}(?:-\d{2}(?!\d))?", withdrawn)
    first, last = periods[0], periods[-1]
    return start(first) - timedelta(days=1) <= until <= end(last)


def start(period: str) -> date:
    """Return the first day of a `YYYY` or `YYYY-MM`."""
    year, _, month = period.partition("-")
    return date(int(year), int(month or 1), 1)


def end(period: str) -> date:
    """Return the last day of a `YYYY` or `YYYY-MM`."""
    year, _, month = period.partition("-")
    number = int(month or 12)
    return date(int(year), number, calendar.monthrange(int(year), number)[1])
