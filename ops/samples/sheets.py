"""How a row of a sheet becomes an item: the header names the field, a blank cell leaves the field out.

Nothing is repaired on the way. A header that nobody knows stays as it is, so that the rules can complain about it.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]

#: How many groups of columns a freight sheet has for surcharges, and a price list for tiers.
SURCHARGES = 2
TIERS = 2

#: Columns of which there are several groups: by their letter, the list that a group is an element of.
_LISTS = {"S": "surcharges", "T": "tiers"}
_GROUPED = re.compile(r"([ST])([0-9]) (Code|Amount|Currency|From|Price)")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file: which rule set its rows are for, and which field each header stands for."""

    name: str
    ruleset: str
    fields: Mapping[str, str]

    @property
    def rows_file(self) -> str:
        return f"{self.name}.csv"

    @property
    def answers_file(self) -> str:
        return f"{self.name}.findings.jsonl"


FREIGHT: Mapping[str, str] = {
    "Carrier": "carrier",
    "Contract": "contract",
    "POL": "origin",
    "POD": "destination",
    "Service": "service",
    "Equipment": "equipment",
    "Commodity": "commodity",
    "Currency": "currency",
    "Rate": "amount",
    "Min Rate": "min_amount",
    "Per": "unit",
    "Valid From": "valid_from",
    "Valid To": "valid_to",
    "Transit (days)": "transit_days",
    "Free Days": "free_days",
    "Remarks": "remarks",
}
FX: Mapping[str, str] = {
    "Date": "date",
    "Base": "base",
    "Quote": "quote",
    "Rate": "rate",
    "Source": "source",
    "Previous Date": "previous_date",
    "Previous Rate": "previous_rate",
}
PRICES: Mapping[str, str] = {
    "SKU": "sku",
    "Description": "description",
    "Unit": "unit",
    "Per": "unit_quantity",
    "Price": "price",
    "Currency": "currency",
    "Valid From": "valid_from",
    "Valid To": "valid_to",
}

SHEETS = (
    Sheet("freight", "freight_rate", FREIGHT),
    Sheet("freight_drifted", "freight_rate", FREIGHT),
    Sheet("fx", "fx_rate", FX),
    Sheet("prices", "price_list", PRICES),
)

#: Fields that are whole numbers where the cell has one; any other text stays text.
_NUMBERS = {"transit_days", "free_days", "unit_quantity", "min_quantity"}


def items(sheet: Sheet, text: str) -> list[Item]:
    """Return the item of every row of `text`, blank rows included."""
    return [_item(sheet, row) for row in csv.DictReader(io.StringIO(text, newline=""))]


def _item(sheet: Sheet, row: Mapping[str, str]) -> Item:
    filled = {header: cell for header, cell in row.items() if cell}
    plain = {sheet.fields.get(header, header): cell for header, cell in filled.items() if not _GROUPED.match(header)}
    item: Item = {field: _value(field, cell) for field, cell in plain.items()}
    return item | _lists(filled)


def _lists(row: Mapping[str, str]) -> dict[str, list[Item]]:
    """Return the lists that the grouped columns of a row make."""
    lists: dict[str, dict[str, Item]] = {}
    for header, cell in row.items():
        if column := _GROUPED.match(header):
            letter, number, part = column.groups()
            field = "min_quantity" if part == "From" else part.lower()
            lists.setdefault(_LISTS[letter], {}).setdefault(number, {})[field] = _value(field, cell)
    return {name: list(groups.values()) for name, groups in lists.items()}


def _value(field: str, cell: str) -> str | int:
    return int(cell) if field in _NUMBERS and _INTEGER.fullmatch(cell) else cell
