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
     ("CLF", 4), ("UYW", 4), ("MRU", 2), ("OMR", 3), ("CLP", 0), ("XAU", None), ("BGN", None), ("ZZZ", None)],
)  # fmt: skip
def test_minor_units_are_those_of_iso(code: str, units: int | None) -> None:
    assert currencies.read(code).get("minor_units") == units


@pytest.mark.parametrize(
    ("code", "last"),
    [("BGN", "2025-12-31"), ("HRK", "2022-12-31"), ("LTL", "2014-12-31"), ("EEK", "2010-12-31"), ("ROL", "2005-06-30"),
     ("DEM", "2002-02-28"), ("VNC", "1990-12-31"), ("EUR", None), ("RON", None), ("TRY", None), ("ZZZ", None)],
)  # fmt: skip
def test_a_withdrawn_currency_has_a_last_day(code: str, last: str | None) -> None:
    assert currencies.read(code).get("until") == last


@pytest.mark.parametrize(("code", "month"), [("BGN", "2026-01"), ("HRK", "2023-01"), ("SLL", "2023-12")])
def test_a_withdrawn_currency_has_the_month_that_iso_gives(code: str, month: str) -> None:
    assert TABLE[code]["withdrawn"] == month


@pytest.mark.parametrize(
    ("code", "known"),
    [("EUR", True), ("DEM", True), ("XAU", True), ("EUU", False), ("usd", False), ("XXX", False), ("XTS", False)],
)
def test_dead_currencies_are_known_and_what_is_no_money_is_not(code: str, known: bool) -> None:
    assert currencies.read(code)["known"] is known


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
