"""A price list: good rows, and what goes wrong with them in the real world."""

from datetime import date, timedelta

from ops.samples.dice import Dice
from ops.samples.flaws import Flaw, Row, cell, cells, mended, whole
from ops.samples.sheets import PRICES, TIERS

HEADERS = (*PRICES, *(f"T{n} {part}" for n in range(1, TIERS + 1) for part in ("From", "Price")))

#: Articles and how they are counted.
_ARTICLES = (
    ("M6X20-A2", "Hexagon bolt M6 x 20", "each", "100"),
    ("M8X30-A2", "Hexagon bolt M8 x 30", "each", "100"),
    ("CU-WIRE-15", "Copper wire 1.5 mm2", "metre", "100"),
    ("PA-6.6", "Polyamide, natural", "kg", "1"),
    ("SUPPORT-GOLD", "Support, weekdays", "month", "1"),
    ("OBJ-STORE", "", "gb_month", "1"),
)
_MODELS = ("text-large-2", "text-small-2", "embed-1:batch")
#: Currencies and how many decimals an amount in them is written with.
_CURRENCIES = (("EUR", 2), ("EUR", 2), ("USD", 2), ("GBP", 2), ("JPY", 0))
#: Quantities from which on it costs less.
_STEPS = (500, 5000)


def good_row(dice: Dice) -> Row:
    """Return a row that brings no findings."""
    first = date(2025, 7, 1) + timedelta(days=dice.below(180))
    last = (first + timedelta(days=dice.between(30, 360))).isoformat() if dice.below(2) else ""
    row = dict.fromkeys(HEADERS, "") | {"Valid From": first.isoformat(), "Valid To": last}
    return row | (_tokens(dice) if dice.below(3) == 0 else _article(dice))


def _article(dice: Dice) -> Row:
    sku, description, unit, per = dice.pick(_ARTICLES)
    currency, decimals = dice.pick(_CURRENCIES)
    price = dice.between(500, 90_000)
    row = {"SKU": sku, "Description": description, "Unit": unit, "Per": per, "Currency": currency}
    row["Price"] = _amount(price, decimals)
    for n in range(1, dice.between(0, TIERS) + 1):
        row |= {f"T{n} From": str(_STEPS[n - 1]), f"T{n} Price": _amount(price * (10 - n) // 10, decimals)}
    return row


def _tokens(dice: Dice) -> Row:
    """Return a price of tokens: some dollars for a million, or next to nothing for one."""
    cents = dice.between(5, 3_000)
    row = {"SKU": dice.pick(_MODELS), "Description": "Input tokens", "Unit": "token", "Currency": "USD"}
    if dice.below(2):
        return row | {"Per": "1000000", "Price": _amount(cents, 2)}
    return row | {"Per": "1", "Price": f"0.{cents:08}"}


def _amount(number: int, decimals: int) -> str:
    return f"{number // 10**decimals}.{number % 10**decimals:0{decimals}}" if decimals else str(number)


_NEEDED = ("sku", "unit", "unit_quantity", "price", "currency", "valid_from")
_NO_TIERS = {"T1 From": "", "T1 Price": "", "T2 From": "", "T2 Price": ""}
_BOLTS = {"Unit": "each", "Per": "100", "Price": "12.40", **_NO_TIERS}
_TOKENS = {"Unit": "token", **_NO_TIERS}

#: Flaws of a row.
FLAWS: tuple[Flaw, ...] = (
    # prices that are none
    cell("placeholder", "Price", ("on req.", "On request", "TBA", "n/a", "-"), "/price", "rule.price_placeholder"),
    cell("blank_price", "Price", ("",), "/price", "schema.required"),
    cell("wrong_locale", "Price", ("12,40", "1 234,50"), "/price", "schema.pattern"),
    cell("currency_in_price", "Price", ("€ 12.40", "12.40 EUR", "$3"), "/price", "schema.pattern"),
    cell("scientific", "Price", ("3e-06", ".5"), "/price", "schema.pattern"),
    mended("german_price", "Price", "1.234,50", "/price", "schema.pattern", "1234.50"),
    mended("padded_price", "Price", " 12.40", "/price", "schema.pattern", "12.40"),
    cells("negative", ({"Price": "-12.40", **_NO_TIERS},), {("/price", "rule.price_negative")}),
    cells("zero", ({"Price": "0", **_NO_TIERS}, {"Price": "0.00", **_NO_TIERS}), {("/price", "rule.price_zero")}),
    cells(
        "point_groups",
        ({**_BOLTS, "Price": "1.200", "Currency": "EUR"}, {**_BOLTS, "Price": "12.500", "Currency": "JPY"}),
        {("/price", "rule.point_groups")},
    ),
    # units
    cell("free_unit", "Unit", ("piece(s)", "1M tokens"), "/unit", "schema.enum"),
    cell("blank_unit", "Unit", ("",), "/unit", "schema.required"),
    mended("upper_case_unit", "Unit", "EACH", "/unit", "schema.enum", "each"),
    mended("mistyped_unit", "Unit", "tokens", "/unit", "schema.enum", "token"),
    cell("free_quantity", "Per", ("1M", "per 100", "12"), "/unit_quantity", "schema.enum"),
    cells(
        "million_for_one",
        ({**_TOKENS, "Per": "1", "Price": "3.00"},),
        {("/unit_quantity", "rule.unit_price_high")},
    ),
    cells(
        "one_for_million",
        ({**_TOKENS, "Per": "1000000", "Price": "0.000003"},),
        {("/unit_quantity", "rule.unit_price_low")},
    ),
    cells(
        "thousand_packs",
        ({**_BOLTS, "Unit": "pack", "Per": "1000"}, {**_BOLTS, "Unit": "month", "Per": "1000000"}),
        {("/unit_quantity", "rule.unit_quantity_unlikely")},
    ),
    # currencies
    cell("currency_symbol", "Currency", ("€", "US$"), "/currency", "schema.pattern"),
    mended("lower_case_currency", "Currency", "eur", "/currency", "schema.pattern", "EUR"),
    cell("unknown_currency", "Currency", ("EUU", "XTS"), "/currency", "rule.currency_unknown"),
    cells(
        "withdrawn_currency",
        ({"Currency": "BGN", "Valid To": ""}, {"Currency": "HRK", "Valid To": ""}),
        {("/currency", "rule.price_currency_withdrawn")},
    ),
    cells(
        "ending_currency",
        ({"Currency": "BGN", "Valid From": "2025-10-01", "Valid To": "2025-12-31"},),
        {("/currency", "rule.price_currency_ends")},
    ),
    # dates
    cells(
        "reversed_validity",
        ({"Valid From": "2026-03-31", "Valid To": "2026-01-01"},),
        {("/valid_to", "rule.price_validity_reversed")},
    ),
    cells(
        "unlikely_year",
        ({"Valid From": "1899-12-30", "Valid To": ""}, {"Valid From": "0025-10-01", "Valid To": ""}),
        {("/valid_from", "rule.year_unlikely")},
    ),
    cell("open_in_words", "Valid To", ("open", "until further notice"), "/valid_to", "schema.format"),
    # lower prices for more
    cells(
        "tier_twice",
        ({**_BOLTS, "T1 From": "500", "T1 Price": "11.20", "T2 From": "500", "T2 Price": "11.20"},),
        {("/tiers/0/min_quantity", "rule.tier_repeated"), ("/tiers/1/min_quantity", "rule.tier_repeated")},
    ),
    cells(
        "tier_of_zero",
        ({**_BOLTS, "T1 From": "500", "T1 Price": "0"},),
        {("/tiers/0/price", "rule.tier_not_positive")},
    ),
    cells(
        "more_for_more",
        ({**_BOLTS, "T1 From": "500", "T1 Price": "12.90"},),
        {("/tiers/0/price", "rule.tier_above_price")},
    ),
    cells(
        "tier_out_of_step",
        ({**_BOLTS, "T1 From": "500", "T1 Price": "9.95", "T2 From": "5000", "T2 Price": "11.20"},),
        {("/tiers/1/price", "rule.tier_rises")},
    ),
    cells(
        "tier_in_words",
        ({**_BOLTS, "T1 From": "500", "T1 Price": "on req."},),
        {("/tiers/0/price", "schema.pattern")},
    ),
    cells(
        "tier_from_one",
        ({**_BOLTS, "T1 From": "1", "T1 Price": "11.20"},),
        {("/tiers/0/min_quantity", "schema.minimum")},
    ),
    # rows that are no prices
    cell("sku_in_words", "SKU", ("Hexagon bolt", "M6 x 20"), "/sku", "schema.pattern"),
    whole("blank_row", ({},), {(f"/{field}", "schema.required") for field in _NEEDED}),
    whole(
        "heading",
        ({"SKU": "Bolts, stainless"},),
        {("/sku", "schema.pattern"), *((f"/{field}", "schema.required") for field in _NEEDED[1:])},
    ),
    whole(
        "documentation",
        (
            {
                "SKU": "SKU",
                "Description": "Article in words",
                "Unit": "each, kg, hour",
                "Per": "number of units",
                "Price": "decimal, without tax",
                "Currency": "ISO code",
                "Valid From": "YYYY-MM-DD",
                "Valid To": "blank: open end",
            },
        ),
        {
            ("/unit", "schema.enum"),
            ("/unit_quantity", "schema.enum"),
            ("/price", "schema.pattern"),
            ("/currency", "schema.pattern"),
            ("/valid_from", "schema.format"),
            ("/valid_to", "schema.format"),
        },
    ),
)
