"""The euro reference rates of the European Central Bank, all of them: every cell is accounted for.

The publisher's file (rates since 1999, one row a day, newest first, one column a currency, `N/A` where there is none, a
comma after the last column) is read where a checkout has it beside it. The same reader and account run on an excerpt
made here. Some currencies' rates are checked together with the one before; what a change must bring is worked out here
in decimals.
"""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.rules.makers import builtin_ruleset

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "ecb-eurofxref-hist.zip"

#: The currencies of the file that are no more. Written down here from the changes to ISO 4217, not from our table.
LAST_DAYS = {
    "BGN": "2025-12-31",
    "CYP": "2007-12-31",
    "EEK": "2010-12-31",
    "HRK": "2022-12-31",
    "LTL": "2014-12-31",
    "LVL": "2013-12-31",
    "MTL": "2007-12-31",
    "ROL": "2005-06-30",
    "SIT": "2006-12-31",
    "SKK": "2008-12-31",
    "TRL": "2005-12-31",  # It was quoted until 2004, and was money for one year more.
}

#: The currencies that moved the most, checked with the rate before: for all of them it would take twice as long.
MOVING = {"ISK", "JPY", "ROL", "RUB", "TRL", "TRY", "ZAR"}

#: Rows in the publisher's format; the last three cells of 2026 have been tampered with.
EXCERPT = """\
Date,USD,JPY,BGN,HRK,ROL,
2026-01-02,1.1721,183.51,1.9558,7.5365,0,
2025-12-31,1.175,184.09,1.9558,N/A,N/A,
2022-12-30,1.0666,140.66,1.9558,7.5365,N/A,
1999-01-04,1.1789,133.73,N/A,N/A,13111,
"""


@dataclass
class Account:
    """What became of the cells: rates that were checked, `N/A`, the empty ones after the last comma."""

    days: int = 0
    checked: int = 0
    not_available: int = 0
    trailing: int = 0
    cells: int = 0
    findings: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    #: What the publisher's rates must bring: their currencies end, and they change.
    expected: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def test_every_cell_of_an_excerpt_is_accounted_for() -> None:
    account = examine(io.StringIO(EXCERPT))

    assert (account.days, account.cells) == (4, 4 * 6)
    assert (account.checked, account.not_available, account.trailing) == (15, 5, 4)
    assert account.findings == {
        ("BGN", "/quote", "rule.quote_withdrawn"): 1,
        ("HRK", "/quote", "rule.quote_withdrawn"): 1,
        ("ROL", "/quote", "rule.quote_withdrawn"): 1,
        ("ROL", "/rate", "rule.rate_not_positive"): 1,
        ("BGN", "/quote", "rule.quote_ends"): 1,
        ("HRK", "/quote", "rule.quote_ends"): 1,
        ("JPY", "/rate", "rule.rate_change"): 1,
    }


@pytest.mark.timeout(600)  # A quarter of a million checks, on what may be a busy machine.
def test_every_cell_of_the_whole_history_is_accounted_for() -> None:
    account = examine(history())

    assert account.checked + account.not_available + account.trailing == account.cells
    assert account.trailing == account.days
    assert account.findings == account.expected
    assert {code for _, _, code in account.findings} <= {"rule.quote_ends", "rule.rate_change"}, "all rates are valid"
    if HISTORY.exists():
        assert (account.days, account.cells) == (6983, 6983 * 42)
        assert (account.checked, account.not_available, account.trailing) == (217_555, 68_748, 6983)


def history() -> Iterable[str]:
    """Return the lines of the publisher's file, or those of the excerpt that nobody tampered with."""
    if not HISTORY.exists():
        header, _tampered, *rows = EXCERPT.splitlines(keepends=True)
        return [header, *rows]
    with zipfile.ZipFile(HISTORY) as archive:
        return archive.read("eurofxref-hist.csv").decode("ascii").splitlines(keepends=True)


def examine(lines: Iterable[str]) -> Account:
    """Return the account of a file of rates, each checked as an item of `fx_rate`."""
    check = builtin_ruleset("fx_rate").check
    account = Account()
    header, *rows = csv.reader(lines)
    account.days = len(rows)
    before: dict[str, tuple[str, str]] = {}
    for row in reversed(rows):
        day = row[0]
        account.cells += len(row) - 1
        for currency, cell in zip(header[1:], row[1:], strict=True):
            if not currency and not cell:
                account.trailing += 1
            elif cell == "N/A":
                account.not_available += 1
            else:
                account.checked += 1
                previous = before.get(currency)
                account.expected.update((currency, *found) for found in foreseen(day, currency, cell, previous))
                for finding in check(item(day, currency, cell, previous)):
                    account.findings[currency, finding.pointer, finding.code] += 1
                if currency in MOVING:
                    before[currency] = day, cell
    return account


def item(day: str, currency: str, rate: str, previous: tuple[str, str] | None) -> dict[str, Any]:
    """Return one cell as an item: so much of `currency` for one euro, and `previous`, the day and rate before it."""
    told = {"date": day, "base": "EUR", "quote": currency, "rate": rate, "source": "ECB"}
    return told | {"previous_date": previous[0], "previous_rate": previous[1]} if previous else told


def foreseen(day: str, currency: str, rate: str, previous: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
    """Yield (pointer, code) for a rate of a currency within its last year, and for one that changed by a fifth."""
    until = LAST_DAYS.get(currency)
    if until and day <= until and (date.fromisoformat(until) - date.fromisoformat(day)).days <= 366:
        yield "/quote", "rule.quote_ends"
    if previous and abs(Decimal(rate) / Decimal(previous[1]) - 1) > Decimal("0.2"):
        yield "/rate", "rule.rate_change"
