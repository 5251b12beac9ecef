"""Overlap: no two rows of one key are valid on the same day.

Both ends are days of validity themselves; without an end, a row is valid until further notice. A row whose dates are no
dates, or the wrong way round, is left out.

Rows come by their first day, so one that overlaps any row before it overlaps the row that reaches furthest: to keep
that one row is enough, and rows inside a longer one are found.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from app.rules.across.kinds import Breach, Compared, Row
from app.rules.across.values import OPEN_END, day


class Overlap:
    """Rows that share their key and a day are wrong. `params` say from which day to which: the open end is OPEN_END."""

    code: ClassVar[str] = "file.overlap"

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.pointer: str = rule["from"]
        self._from, self._to = rule["from"][1:], rule["to"][1:]

    def compared(self, item: dict[str, Any]) -> Compared | None:
        """Return the first day as place and the last as value."""
        first, last = day(item.get(self._from)), item.get(self._to)
        last = OPEN_END if last is None else day(last)
        return (first, last) if first and last and first <= last else None

    def breaches(self, rows: Iterable[Row]) -> Iterator[Breach]:
        """Yield each row that overlaps another."""
        remaining = iter(rows)
        furthest, is_reported = next(remaining), False
        for row in remaining:
            overlaps = row.place <= furthest.value
            if overlaps:
                params = _params(furthest, row)
                if not is_reported:
                    yield Breach(furthest.number, params)
                    is_reported = True
                yield Breach(row.number, params)
            if row.value > furthest.value:
                furthest, is_reported = row, overlaps


def _params(furthest: Row, row: Row) -> dict[str, Any]:
    last = min(furthest.value, row.value)
    return {"rows": sorted([furthest.number, row.number]), "from": row.place, "to": last}
