"""Change: from one row of a key to the next, the value does not jump. It takes the place of a fixed least and most.

The next row is the next in `order`: dates, or whole numbers; rows at the same place count by their numbers. The row
that jumps is the one that is reported, with the row before it as its partner, which may be perfectly right.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, ClassVar

from app.rules.across.kinds import Breach, Compared, Row
from app.rules.across.values import amount, changes_more, percent, place


class Change:
    """Rows that differ from the row before by more than `most` of its value are wrong.

    `params` have `rows`, the one before and this one, their values as `previous` and `value`, the change in `percent`,
    which is null after a zero, and `most` as the rule has it.
    """

    code: ClassVar[str] = "file.change"

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.pointer: str = rule["value"]
        self._order, self._value = rule["order"][1:], rule["value"][1:]
        self._most: str = rule["most"]

    def compared(self, item: dict[str, Any]) -> Compared | None:
        """Return the place and the value, if it has both."""
        at, value = place(item.get(self._order)), amount(item.get(self._value))
        return None if at is None or value is None else (at, value)

    def breaches(self, rows: Iterable[Row]) -> Iterator[Breach]:
        """Yield each row that jumps."""
        most = Decimal(self._most)
        for (before, previous), (row, now) in pairwise((row, Decimal(row.value)) for row in rows):
            if changes_more(previous, now, most):
                params = {"previous": before.value, "value": row.value, "percent": percent(previous, now)}
                yield Breach(row.number, {"rows": [before.number, row.number], "most": self._most} | params)
