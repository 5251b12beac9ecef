"""Facts: what a condition is told about a text beside the text itself, such as the decimals of a currency.

CEL has neither decimals nor look-ups. Functions in Python, called from CEL, would give it both, but this version of the
library leaks the arguments of every such call (some 100 bytes; 25 calls an item are gigabytes in an import). So facts
come first: where the rule set says so, conditions see a map of the text and its facts in place of the text.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app.rules import amounts, currencies
from app.rules.errors import RuleSetError
from app.rules.findings import pointer

#: Returns the map for a text, or None for a text that is nothing of the kind: conditions then see the bare text.
Read = Callable[[str], dict[str, Any] | None]

_READERS: Mapping[str, Read] = {"decimal": amounts.read, "currency": currencies.read}


class Facts:
    """Which texts of an item have facts."""

    def __init__(self, kinds: Mapping[str, Any], lists: Mapping[str, frozenset[str]]) -> None:
        """Take `kinds`, from pointers like `/currency` or `/surcharges/*/currency` to `"decimal"`, `"currency"` or
        `{"listed": name of one of lists, "first": characters that are the code}`. Raises RuleSetError.
        """
        self._fields: dict[str, Read] = {}
        self._lists: dict[str, dict[str, Read]] = {}
        for place, kind in kinds.items():
            read = _reader(place, kind, lists)
            match place.split("/"):
                case ["", field, "*", inner]:
                    self._lists.setdefault(field, {})[inner] = read
                case ["", field]:
                    self._fields[field] = read

    def seen(self, item: Any) -> Any:
        """Return `item` as conditions see it. The item itself stays as it is."""
        if not isinstance(item, dict):
            return item
        seen = _told(item, self._fields)
        for field, readers in self._lists.items():
            elements = seen.get(field)
            if isinstance(elements, list):
                seen[field] = [_told(each, readers) if isinstance(each, dict) else each for each in elements]
        return seen


def listed(codes: frozenset[str], first: int | None, text: str) -> dict[str, Any]:
    """Return whether the code, which is the whole text or its `first` characters, is one of `codes`."""
    return {"text": text, "listed": text[:first] in codes}


def _told(item: dict[str, Any], readers: Mapping[str, Read]) -> dict[str, Any]:
    told = item.copy()
    for field, read in readers.items():
        text = told.get(field)
        if isinstance(text, str):
            told[field] = read(text) or text
    return told


def _reader(place: str, kind: Any, lists: Mapping[str, frozenset[str]]) -> Read:
    if isinstance(kind, str):
        return _READERS[kind]
    if kind["listed"] not in lists:
        raise RuleSetError(f"/facts{pointer([place])}: there is no table called {kind['listed']}")
    return partial(listed, lists[kind["listed"]], kind.get("first"))
