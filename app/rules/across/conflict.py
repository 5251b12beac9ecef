"""Conflict: rows of one key have one value. Amounts are compared, not texts: 1.0 is 1.00.

Each row is reported that has another beside it with a different value: the first row's, or for those that have that one
as well, the first that differs.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, ClassVar

from app.rules.across.kinds import Breach, Compared, Row
from app.rules.across.values import amount

#: Rows like the first are held back until one differs; beyond these bytes in a file.
HELD_BYTES = 2**20


class Conflict:
    """Rows that share their key and not their value are wrong. `params` have the `values` in the order of `rows`."""

    code: ClassVar[str] = "file.conflict"

    def __init__(self, rule: Mapping[str, Any], folder: Path | None) -> None:
        self.pointer: str = rule["value"]
        self._value = rule["value"][1:]
        self._folder = None if folder is None else str(folder)

    def compared(self, item: dict[str, Any]) -> Compared | None:
        """Return the value, if it is an amount."""
        value = amount(item.get(self._value))
        return None if value is None else ("", value)

    def breaches(self, rows: Iterable[Row]) -> Iterator[Breach]:
        """Yield every row, if there are two values."""
        remaining = iter(rows)
        first = next(remaining)
        common, different = Decimal(first.value), None
        with SpooledTemporaryFile(HELD_BYTES, dir=self._folder) as held:
            held.write(_written(first))
            for row in remaining:
                if Decimal(row.value) != common:
                    if different is None:
                        different = row
                        held.seek(0)
                        yield from (_breach(_read(line), row) for line in held)
                    yield Breach(row.number, _params(first, row))
                elif different is None:
                    held.write(_written(row))
                else:
                    yield _breach(row, different)


def _breach(row: Row, different: Row) -> Breach:
    return Breach(row.number, _params(row, different))


def _params(one: Row, other: Row) -> dict[str, Any]:
    ordered = sorted([one, other])
    return {"rows": [row.number for row in ordered], "values": [row.value for row in ordered]}


def _written(row: Row) -> bytes:
    return f"{row.number} {row.value}\n".encode()


def _read(line: bytes) -> Row:
    number, value = line.decode().split()
    return Row(int(number), "", value)
