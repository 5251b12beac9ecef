"""An exchange rate sheet: good rows, and what goes wrong with them in the real world."""

from datetime import date, timedelta

from ops.samples.dice import Dice
from ops.samples.flaws import Flaw, Row, cell, cells, copied, mended, whole
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
_ALONE = {"Previous Date": "", "Previous Rate": ""}
_BEFORE = {"Date": "2022-12-30", **_ALONE}
_AFTER = {"Date": "2023-01-02", **_ALONE}


def good_row(dice: Dice) -> Row:
    """Return a row that brings no findings."""
    quote, around = dice.pick(_QUOTES)
    rate = around + dice.between(-around // 50, around // 50)
    day = date(2024, 1, 2) + timedelta(days=dice.below(700))
    row = {
        "Date": day.isoformat(),
        "Base": "EUR",
        "Quote": quote,
        "Rate": _written(rate),
        "Source": dice.pick(("ECB", "treasury", "")),
    }
    if dice.below(2):
        return row | _ALONE
    earlier = rate + dice.between(-rate // 50, rate // 50)
    return row | {"Previous Date": (day - timedelta(days=1)).isoformat(), "Previous Rate": _written(earlier)}


def _written(rate: int) -> str:
    return f"{rate // 10000}.{rate % 10000:04}"


#: Flaws of a row.
FLAWS: tuple[Flaw, ...] = (
    cell("not_available", "Rate", ("N/A", "#N/A", "-"), "/rate", "schema.pattern"),
    cell("blank_rate", "Rate", ("",), "/rate", "schema.required"),
    cell("wrong_locale", "Rate", ("1,1684", "1.867,50"), "/rate", "schema.pattern"),
    mended("german_rate", "Rate", "1.867,50", "/rate", "schema.pattern", "1867.50"),
    cell("scientific", "Rate", ("1.1E-05", ".925"), "/rate", "schema.pattern"),
    cell("zero", "Rate", ("0", "0.0000", "-1.1"), "/rate", "rule.rate_not_positive"),
    cell("other_date", "Date", ("13 April 2026", "13/04/2026", "2025-4-3"), "/date", "schema.format"),
    mended("padded", "Quote", "USD ", "/quote", "schema.pattern", "USD"),
    mended("lower_case", "Base", "eur", "/base", "schema.pattern", "EUR"),
    cell("currency_name", "Quote", ("Dollar", "YEN "), "/quote", "schema.pattern"),
    cells("unknown_quote", ({"Quote": "UDS"}, {"Quote": "JPN"}), {("/quote", "rule.quote_unknown")}),
    cell("unknown_base", "Base", ("ERU", "XTS"), "/base", "rule.base_unknown"),
    copied("same_currency", "Base", "Quote", {("/quote", "rule.same_currency")}),
    cells(
        "withdrawn_quote",
        ({"Quote": "HRK", **_AFTER}, {"Quote": "BGN", "Date": "2026-01-02", **_ALONE}),
        {("/quote", "rule.quote_withdrawn")},
    ),
    cells("withdrawn_base", ({"Base": "DEM", **_BEFORE},), {("/base", "rule.base_withdrawn")}),
    cells(
        "ending_quote",
        ({"Quote": "HRK", **_BEFORE}, {"Quote": "BGN", "Date": "2025-12-31", **_ALONE}),
        {("/quote", "rule.quote_ends")},
    ),
    cells("ending_base", ({"Base": "HRK", **_BEFORE},), {("/base", "rule.base_ends")}),
    cells(
        "other_way_round",
        ({"Base": "USD", "Quote": "EUR", **_ALONE}, {"Base": "JPY", "Quote": "USD", **_ALONE}),
        {("/base", "rule.direction_unusual")},
    ),
    cells(
        "unlikely_year",
        ({"Date": "0025-06-30", **_ALONE}, {"Date": "1899-12-30", **_ALONE}),
        {("/date", "rule.year_unlikely")},
    ),
    # against the rate before
    cells(
        "zero_before",
        ({"Previous Rate": "0", "Previous Date": ""},),
        {("/previous_rate", "rule.previous_not_positive")},
    ),
    cells(
        "same_day_before",
        ({"Date": "2025-03-03", "Previous Date": "2025-03-03", "Previous Rate": ""},),
        {("/previous_date", "rule.previous_not_before")},
    ),
    cells(
        "swapped",
        ({"Rate": "0.005355", "Previous Rate": "186.75", "Previous Date": ""},),
        {("/rate", "rule.rate_inverted")},
    ),
    cells(
        "lost_point",
        ({"Rate": "11684", "Previous Rate": "1.1690", "Previous Date": ""},),
        {("/rate", "rule.rate_jump")},
    ),
    cells(
        "mistyped_figure",
        (
            {"Rate": "1.4684", "Previous Rate": "1.1690", "Previous Date": ""},
            {"Rate": "0.3550", "Previous Rate": "0.6550", "Previous Date": ""},
        ),
        {("/rate", "rule.rate_change")},
    ),
    whole("blank_row", ({},), {(f"/{field}", "schema.required") for field in ("date", "base", "quote", "rate")}),
)
