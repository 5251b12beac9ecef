"""Unique: no two rows have the same key. Each is reported beside the first one, and the first beside the second."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from app.rules.across.kinds import Breach, Compared, Row


class Unique:
    """Rows that share their key are wrong."""

    code: ClassVar[str] = "file.duplicate_key"

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.pointer: str = rule["key"][0] if len(rule["key"]) == 1 else ""

    def compared(self, item: dict[str, Any]) -> Compared | None:
        """Return nothing: the key is all that counts."""
        return "", ""

    def breaches(self, rows: Iterable[Row]) -> Iterator[Breach]:
        """Yield every row, if there are two."""
        remaining = iter(rows)
        first = next(remaining)
        for position, row in enumerate(remaining):
            params = {"rows": [first.number, row.number]}
            if position == 0:
                yield Breach(first.number, params)
            yield Breach(row.number, params)
