"""Freight sheets: good rows, and what goes wrong with them in the real world."""

from datetime import date, timedelta

from ops.samples.dice import Dice
from ops.samples.flaws import Flaw, Row, cell, cells, copied, mended, whole
from ops.samples.sheets import FREIGHT, SURCHARGES

HEADERS = (*FREIGHT, *(f"S{n} {part}" for n in range(1, SURCHARGES + 1) for part in ("Code", "Amount", "Currency")))
#: The same sheet a quarter later: somebody renamed the price column.
DRIFTED_HEADERS = tuple("Rate W/M" if header == "Rate" else header for header in HEADERS)

_CARRIERS = ("MAEU", "MSCU", "CMDU", "HLCU", "ONEY", "COSU", "EGLV", "YMLU")
_ORIGINS = ("CNSHA", "CNNGB", "VNSGN", "VNHPH", "SGSIN", "KRPUS", "JPYOK", "INNSA", "TRMER", "MACAS")
_DESTINATIONS = ("NLRTM", "DEHAM", "BEANR", "GBFXT", "FRLEH", "ESVLC", "USLAX", "USNYC", "CYFMG", "AEJEA")
_BOXES = ("20GP", "40GP", "40HC", "45HC", "20RF", "40RH", "20OT", "40FR")
_COMMODITIES = ("FAK", "Garments", "Furniture", "Frozen fish", "Machinery", "Rice", "Tyres")
#: Currencies and how many decimals an amount in them is written with.
_CURRENCIES = (("USD", 2), ("USD", 2), ("USD", 2), ("EUR", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3))
_SURCHARGE_CODES = ("BAF", "CAF", "THC", "PSS", "LSS", "ISPS", "WRS")
_REMARKS = ("", "", "", "Subject to GRI", "Direct service", "Weekly sailing")
_NEEDED = (
    *("carrier", "contract", "origin", "destination", "equipment"),
    *("currency", "amount", "unit", "valid_from", "valid_to"),
)


def good_row(dice: Dice) -> Row:
    """Return a row that brings no findings."""
    loose = dice.below(8) == 0
    currency, decimals = dice.pick(_CURRENCIES)
    hundreds = dice.between(1, 3) if loose else dice.between(8, 60)
    first = date(2025, 7, 1) + timedelta(days=dice.below(240))
    row = dict.fromkeys(HEADERS, "") | {
        "Carrier": dice.pick(_CARRIERS),
        "Contract": f"{dice.pick(('NAC', 'SC', 'SPOT'))}-{dice.between(1000, 9999)}",
        "POL": dice.pick(_ORIGINS),
        "POD": dice.pick(_DESTINATIONS),
        "Service": "CFS/CFS" if loose else dice.pick(("CY/CY", "CY/CY", "CY/DOOR", "DOOR/CY", "")),
        "Equipment": "LCL" if loose else dice.pick(_BOXES),
        "Commodity": dice.pick(_COMMODITIES),
        "Currency": currency,
        "Rate": _amount(dice, hundreds, decimals),
        "Min Rate": _amount(dice, hundreds - 1, decimals) if dice.below(3) == 0 else "",
        "Per": "per_wm" if loose else "per_container",
        "Valid From": first.isoformat(),
        "Valid To": (first + timedelta(days=dice.between(14, 180))).isoformat(),
        "Transit (days)": str(dice.between(5, 45)),
        "Free Days": str(dice.pick((0, 5, 7, 10, 14))),
        "Remarks": dice.pick(_REMARKS),
    }
    return row | _surcharges(dice)


def drifted(row: Row) -> Row:
    """Return `row` under the drifted headers."""
    return {("Rate W/M" if header == "Rate" else header): text for header, text in row.items()}


def _surcharges(dice: Dice) -> Row:
    start = dice.below(len(_SURCHARGE_CODES))
    row: Row = {}
    for n in range(1, dice.between(0, SURCHARGES) + 1):
        currency, decimals = dice.pick(_CURRENCIES)
        code = _SURCHARGE_CODES[(start + n) % len(_SURCHARGE_CODES)]
        row |= {f"S{n} Code": code, f"S{n} Amount": _amount(dice, 0, decimals), f"S{n} Currency": currency}
    return row


def _amount(dice: Dice, hundreds: int, decimals: int) -> str:
    """Return an amount of `hundreds` hundred and something, as that currency is written."""
    number = hundreds * 100 + dice.between(10, 99)
    return f"{number}.{dice.below(10**decimals):0{decimals}}" if decimals else str(number)


def _missing(*present: str) -> set[tuple[str, str]]:
    return {(f"/{field}", "schema.required") for field in _NEEDED if field not in present}


_THIS_YEAR = {"Valid From": "2025-10-01", "Valid To": "2025-12-15"}
_NEXT_YEAR = {"Valid From": "2026-01-01", "Valid To": "2026-03-31"}
_USD = {"Currency": "USD", "Min Rate": ""}
_TWICE = {"S1 Amount": "45.00", "S1 Currency": "USD", "S2 Amount": "60.00", "S2 Currency": "USD"}
_BOX = {"Equipment": "40HC", "Service": "CY/CY"}

#: Flaws of a row in a sheet whose headers are right.
FLAWS: tuple[Flaw, ...] = (
    # numbers that are none
    cell("placeholder", "Rate", ("on req.", "on request", "TBA", "n/a", "-"), "/amount", "schema.pattern"),
    cell("blank_amount", "Rate", ("",), "/amount", "schema.required"),
    cell("wrong_locale", "Rate", ("1.200,00", "1200,00", "2.450,50"), "/amount", "schema.pattern"),
    cell("thousands", "Rate", ("1,200.00", "1 200.00", "1'200.00"), "/amount", "schema.pattern"),
    cell("currency_in_amount", "Rate", ("USD 1200", "1200 USD", "$1,200"), "/amount", "schema.pattern"),
    cells(
        "point_groups",
        ({"Rate": "1.200", **_USD}, {"Rate": "12.500", **_USD}),
        {("/amount", "rule.amount_too_precise")},
        reads=("Per",),
    ),
    cells(
        "cents_of_yen",
        ({"Rate": "120000.50", "Currency": "JPY", "Min Rate": ""},),
        {("/amount", "rule.amount_too_precise")},
        reads=("Per",),
    ),
    cells("zero_for_not_offered", ({"Rate": "0", "Min Rate": ""},), {("/amount", "rule.amount_not_positive")}),
    cells("negative", ({"Rate": "-250", "Min Rate": ""},), {("/amount", "rule.amount_not_positive")}),
    cells("min_above_rate", ({"Rate": "900", "Min Rate": "1100"},), {("/min_amount", "rule.min_above_amount")}),
    cells(
        "min_cents_of_yen",
        ({"Rate": "120000", "Min Rate": "90000.50", "Currency": "JPY"},),
        {("/min_amount", "rule.min_too_precise")},
    ),
    mended("german_amount", "Rate", "2.450,50", "/amount", "schema.pattern", "2450.50"),
    cell("transit_range", "Transit (days)", ("14-16", "ca. 20", "2 weeks"), "/transit_days", "schema.type"),
    cell("transit_zero", "Transit (days)", ("0",), "/transit_days", "schema.minimum"),
    cell("transit_minutes", "Transit (days)", ("20160",), "/transit_days", "schema.maximum"),
    # currencies
    cell("lower_case_currency", "Currency", ("usd", "eur", "Usd"), "/currency", "schema.pattern"),
    mended("padded_currency", "Currency", " USD", "/currency", "schema.pattern", "USD"),
    cell("currency_symbol", "Currency", ("US$", "€", " USD"), "/currency", "schema.pattern"),
    cell("blank_currency", "Currency", ("",), "/currency", "schema.required"),
    cells(
        "unknown_currency",
        ({"Currency": "USX"}, {"Currency": "EUU"}, {"Currency": "XXX"}),
        {("/currency", "rule.currency_unknown")},
    ),
    cells(
        "withdrawn_currency",
        ({"Currency": "BGN", **_NEXT_YEAR}, {"Currency": "HRK", **_THIS_YEAR}),
        {("/currency", "rule.currency_withdrawn")},
    ),
    cells("ending_currency", ({"Currency": "BGN", **_THIS_YEAR},), {("/currency", "rule.currency_ends")}),
    # places
    cell("city_for_code", "POD", ("Rotterdam", "HAMBURG", "Le Havre"), "/destination", "schema.pattern"),
    cell("country_for_code", "POL", ("Marocco", "China"), "/origin", "schema.pattern"),
    cell("via", "POD", ("Famagusta (via Mersin)", "NLRTM via SGSIN"), "/destination", "schema.pattern"),
    cell("spaced_code", "POL", ("CN SHA", "VN SGN"), "/origin", "schema.pattern"),
    mended("lower_case_code", "POL", "vnsgn", "/origin", "schema.pattern", "VNSGN"),
    cell("unknown_country", "POL", ("UKFXT", "ZZSHA"), "/origin", "rule.origin_country_unknown"),
    cell("unknown_country_to", "POD", ("UKSOU", "XQRTM"), "/destination", "rule.destination_country_unknown"),
    copied("same_port", "POL", "POD", {("/destination", "rule.same_port")}),
    # units, equipment, names
    cell("blank_unit", "Per", ("",), "/unit", "schema.required"),
    cell("free_unit", "Per", ("W/M", "per box", "cntr"), "/unit", "schema.enum"),
    cells("unit_confusion", ({"Per": "per_wm", **_BOX}, {"Per": "per_kg", **_BOX}), {("/unit", "rule.unit_mismatch")}),
    cells(
        "lcl_per_box",
        ({"Per": "per_container", "Equipment": "LCL", "Service": "CFS/CFS"},),
        {("/unit", "rule.unit_mismatch")},
    ),
    cell("lower_case_equipment", "Equipment", ("20gp", "40hc"), "/equipment", "schema.enum"),
    mended("mistyped_equipment", "Equipment", "40HD", "/equipment", "schema.enum", "40HC"),
    cell("other_equipment", "Equipment", ("40HQ", "40' HC", "20DV"), "/equipment", "schema.enum"),
    cell("carrier_name", "Carrier", ("Maersk", "Hapag-Lloyd", "msc"), "/carrier", "schema.pattern"),
    cell("blank_contract", "Contract", ("",), "/contract", "schema.required"),
    cell("free_service", "Service", ("port to port", "CY-CY"), "/service", "schema.enum"),
    # dates
    cells(
        "reversed_validity",
        ({"Valid From": "2026-03-31", "Valid To": "2026-01-01"},),
        {("/valid_to", "rule.validity_reversed")},
    ),
    cells(
        "mistyped_year",
        ({"Valid From": "2026-01-01", "Valid To": "2062-03-31"},),
        {("/valid_to", "rule.validity_long")},
    ),
    cells(
        "first_day_unlikely",
        ({"Valid From": "0205-10-01"}, {"Valid From": "1899-12-30"}),
        {
            ("/valid_from", "rule.year_unlikely"),
        },
    ),
    cell(
        "other_date",
        "Valid To",
        ("31/12/2025", "31.12.2025", "31 December 2025", "12/31/25"),
        "/valid_to",
        "schema.format",
    ),
    cell("no_such_day", "Valid From", ("2025-02-30", "2025-13-01"), "/valid_from", "schema.format"),
    cell("open_ended", "Valid To", ("",), "/valid_to", "schema.required"),
    # surcharges
    cells(
        "surcharge_twice",
        ({"S1 Code": "BAF", "S2 Code": "BAF", **_TWICE},),
        {("/surcharges/0/code", "rule.surcharge_repeated"), ("/surcharges/1/code", "rule.surcharge_repeated")},
    ),
    cells(
        "surcharge_included",
        ({"S1 Code": "THC", "S1 Amount": "incl.", "S1 Currency": "USD"},),
        {("/surcharges/0/amount", "schema.pattern")},
    ),
    cells(
        "surcharge_without_currency",
        ({"S1 Code": "PSS", "S1 Amount": "75.00", "S1 Currency": ""},),
        {("/surcharges/0/currency", "schema.required")},
    ),
    cells(
        "surcharge_unknown_currency",
        ({"S1 Code": "BAF", "S2 Code": "THC", **_TWICE, "S2 Currency": "UDS"},),
        {("/surcharges/1/currency", "rule.surcharge_currency_unknown")},
    ),
    cells(
        "surcharge_withdrawn_currency",
        ({"S1 Code": "BAF", "S2 Code": "THC", **_TWICE, "S2 Currency": "HRK"},),
        {("/surcharges/1/currency", "rule.surcharge_currency_withdrawn")},
    ),
    cells(
        "surcharge_ending_currency",
        ({"S1 Code": "BAF", "S2 Code": "THC", **_TWICE, "S2 Currency": "BGN", **_THIS_YEAR},),
        {("/surcharges/1/currency", "rule.surcharge_currency_ends")},
    ),
    cells(
        "surcharge_cents_of_yen",
        ({"S1 Code": "BAF", "S2 Code": "THC", **_TWICE, "S1 Currency": "JPY"},),
        {("/surcharges/0/amount", "rule.surcharge_too_precise")},
    ),
    # rows that are no rates
    whole("blank_row", ({},), _missing()),
    whole(
        "total_row",
        ({"Carrier": "TOTAL", "Rate": "184250.50"}, {"Carrier": "Total:", "Rate": "96120.00"}),
        _missing("carrier", "amount") | {("/carrier", "schema.pattern")},
    ),
    whole(
        "footnote",
        ({"Carrier": "All rates subject to GRI and bunker adjustment"},),
        _missing("carrier") | {("/carrier", "schema.pattern")},
    ),
    whole(
        "header_again",
        ({header: header for header in HEADERS},),
        {
            ("/carrier", "schema.pattern"),
            ("/origin", "schema.pattern"),
            ("/destination", "schema.pattern"),
            ("/service", "schema.enum"),
            ("/equipment", "schema.enum"),
            ("/currency", "schema.pattern"),
            ("/amount", "schema.pattern"),
            ("/min_amount", "schema.pattern"),
            ("/unit", "schema.enum"),
            ("/valid_from", "schema.format"),
            ("/valid_to", "schema.format"),
            ("/transit_days", "schema.type"),
            ("/free_days", "schema.type"),
            *(
                (f"/surcharges/{n}/{part}", "schema.pattern")
                for n in range(SURCHARGES)
                for part in ("code", "amount", "currency")
            ),
        },
    ),
)

#: What the renamed header does to every row of the drifted sheet; where its cell is blank, only the field is missing.
DRIFT = Flaw(
    "header_drift",
    frozenset({"Rate W/M"}),
    frozenset({("/amount", "schema.required"), ("/Rate W~1M", "schema.additionalProperties")}),
    lambda _row, _dice: None,
)
DRIFT_BLANK = cell("header_drift_blank", "Rate W/M", ("",), "/amount", "schema.required")
