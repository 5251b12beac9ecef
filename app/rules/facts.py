"""Facts: what a condition is told about a text beside the text itself, such as the decimals of a currency.

CEL has neither decimals nor look-ups. Functions in Python, called from CEL, would give it both, but this version of the
library leaks the arguments of every such call (some 100 bytes; 25 calls an item are gigabytes in an import). So facts
come first: where the rule set says so, conditions see a map of the text and its facts in place of the text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from app.rules import amounts, currencies
from app.rules.errors import RuleSetError
from app.rules.findings import pointer

#: Returns the map for a text, or None for a text that is nothing of the kind: conditions then see the bare text.
Read = Callable[[str], dict[str, Any] | None]

#: Texts of one field whose facts are kept ready: an import repeats its codes and many of its amounts.
REMEMBERED = 1_024
#: Longer texts are read anew, so that what is kept has a bound.
LONGEST_REMEMBERED = 40

_READERS: Mapping[str, Read] = {"decimal": amounts.read, "currency": currencies.read}


@dataclass(slots=True)
class Facts:
    """Which texts have facts: a value itself, those in its fields, those in its elements."""

    read: Read | None = None
    fields: dict[str, "Facts"] = field(default_factory=dict)
    elements: "Facts | None" = None
    _kept: dict[str, Any] = field(default_factory=dict)

    def told(self, text: str) -> Any:
        """Return the map of `text` and its facts, or `text` itself when it has none. Do not change it."""
        kept = self._kept.get(text)
        return self._new(text) if kept is None else kept

    def _new(self, text: str) -> Any:
        facts = self.read(text) if self.read else None
        found = text if facts is None else facts
        if len(text) <= LONGEST_REMEMBERED:
            if len(self._kept) >= REMEMBERED:  # To start over is cheaper than to know which one was used last.
                self._kept.clear()
            self._kept[text] = found
        return found

    def at(self, step: str) -> "Facts":
        """Return the facts of a field, or for `*` of the elements, from now on a part of these."""
        if step != "*":
            return self.fields.setdefault(step, Facts())
        self.elements = self.elements or Facts()
        return self.elements


def compiled(kinds: Mapping[str, Any], lists: Mapping[str, frozenset[str]]) -> Facts:
    """Return the facts of an item. `kinds` leads from pointers like `/currency` or `/surcharges/*/currency` to
    `"decimal"`, `"currency"` or `{"listed": name of one of lists, "first": characters that are the code}`.

    Raises RuleSetError.
    """
    facts = Facts()
    for place, kind in kinds.items():
        here = facts
        for step in place.split("/")[1:]:
            here = here.at(step)
        here.read = _reader(place, kind, lists)
    return facts


def listed(codes: frozenset[str], first: int | None, text: str) -> dict[str, Any]:
    """Return whether the code, which is the whole text or its `first` characters, is one of `codes`."""
    return {"text": text, "listed": text[:first] in codes}


def _reader(place: str, kind: Any, lists: Mapping[str, frozenset[str]]) -> Read:
    if isinstance(kind, str):
        return _READERS[kind]
    if kind["listed"] not in lists:
        raise RuleSetError(
            f"/facts{pointer([place])}: there is no table called {kind['listed']}", pointer=f"/facts{pointer([place])}"
        )
    return partial(listed, lists[kind["listed"]], kind.get("first"))
