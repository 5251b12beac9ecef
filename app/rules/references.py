"""References: a field that is declared to hold a code of a table holds one that is in it.

Asked for by a `severity` beside `listed` in the rule set's facts; without it, only conditions speak of the code.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from app.rules.findings import Finding, Severity, clip, pointer, steps

#: One item can have ten thousand elements; nobody reads more than this of one place.
MOST_OF_ONE_PLACE = 101


class References:
    """Which fields of an item must hold a known code."""

    def __init__(self, facts: Mapping[str, Any], lists: Mapping[str, frozenset[str]]) -> None:
        """Take the `facts` of a definition that has been inspected, and its code lists by name."""
        self._places = [
            _Place(place, kind, lists) for place, kind in facts.items() if isinstance(kind, dict) and "severity" in kind
        ]

    def findings(self, item: Any) -> list[Finding]:
        """Return a `ref.unknown` for each text that is no code of its table; `params` have it, and the table's name."""
        return [found for place in self._places for found in islice(place.findings(item), MOST_OF_ONE_PLACE)]


class _Place:
    def __init__(self, place: str, kind: Mapping[str, Any], lists: Mapping[str, frozenset[str]]) -> None:
        self._place = place
        self._table: str = kind["listed"]
        self._codes = lists[self._table]
        self._first: int | None = kind.get("first")
        self._severity: Severity = kind["severity"]
        self._field, *below = steps(place)
        self._inner: str | None = below[-1] if below else None

    def findings(self, item: Any) -> Iterator[Finding]:
        value = item.get(self._field) if isinstance(item, dict) else None
        if self._inner is None:
            yield from self._told(value, (self._field,))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, dict):
                    yield from self._told(each.get(self._inner), (self._field, index, self._inner))

    def _told(self, value: Any, path: tuple[str | int, ...]) -> Iterator[Finding]:
        if isinstance(value, str) and value[: self._first] not in self._codes:
            params = clip({"value": value, "table": self._table})
            yield Finding(pointer(path), "ref.unknown", self._severity, params, self._place)
