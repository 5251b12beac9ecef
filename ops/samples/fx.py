"""An exchange rate sheet: good rows, and what goes wrong with them in the real world."""

from datetime import date, timedelta

from ops.samples.dice import Dice
from ops.samples.flaws import Flaw, Row, cell, cells, copied, whole
from ops.samples.sheets import FX

HEADERS = tuple(FX)

#: Quotes with a plausible rate against one euro, in ten-thousandths.
_QUOTES = (
    ("USD", 11684),
    ("JPY", 1867500),
    ("GBP", 8706),
    ("CHF", 9242),
    ("VND", 307500000),
    ("TRY", 522478),
    ("KWD", 3590),
)
_BEFORE = {"Date": "2022-12-30"}
_AFTER = {"Date": "2023-01-02"}


def good_row(dice: Dice) -> Row:
    """Return a row that brings no findings."""
    quote, around = dice.pick(_QUOTES)
    rate = around + dice.between(-around // 50, around // 50)
    day = date(2024, 1, 2) + timedelta(days=dice.below(700))
    return {
        "Date": day.isoformat(),
        "Base": "EUR",
        "Quote": quote,
        "Rate": f"{rate // 10000}.{rate % 10000:04}",
        "Source": dice.pick(("ECB", "treasury", "")),
    }


#: Flaws of a row.
FLAWS: tuple[Flaw, ...] = (
    cell("not_available", "Rate", ("N/A", "#N/A", "-"), "/rate", "schema.pattern"),
    cell("blank_rate", "Rate", ("",), "/rate", "schema.required"),
    cell("wrong_locale", "Rate", ("1,1684", "1.867,50"), "/rate", "schema.pattern"),
    cell("scientific", "Rate", ("1.1E-05", ".925"), "/rate", "schema.pattern"),
    cell("zero", "Rate", ("0", "0.0000", "-1.1"), "/rate", "rule.rate_not_positive"),
    cell("other_date", "Date", ("13 April 2026", "13/04/2026", "2025-4-3"), "/date", "schema.format"),
    cell("padded", "Quote", (" USD", "USD "), "/quote", "schema.pattern"),
    cell("lower_case", "Base", ("eur", "Eur"), "/base", "schema.pattern"),
    cell("currency_name", "Quote", ("Dollar", "YEN "), "/quote", "schema.pattern"),
    cells("unknown_quote", ({"Quote": "UDS"}, {"Quote": "JPN"}), {("/quote", "rule.quote_unknown")}),
    cell("unknown_base", "Base", ("ERU", "XTS"), "/base", "rule.base_unknown"),
    copied("same_currency", "Base", "Quote", {("/quote", "rule.same_currency")}),
    cells(
        "withdrawn_quote",
        ({"Quote": "HRK", **_AFTER}, {"Quote": "BGN", "Date": "2026-01-02"}),
        {("/quote", "rule.quote_withdrawn")},
    ),
    cells("withdrawn_base", ({"Base": "DEM", **_BEFORE},), {("/base", "rule.base_withdrawn")}),
    cells("not_yet_withdrawn", ({"Quote": "HRK", **_BEFORE}, {"Quote": "BGN", "Date": "2025-12-31"}), ()),
    whole("blank_row", ({},), {(f"/{field}", "schema.required") for field in ("date", "base", "quote", "rate")}),
)
