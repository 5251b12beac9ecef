"""Flips: how one item's findings differ between two rule sets, and a bounded tally of that over many items.

A flip is laid at the door of the codes that make it: the errors of the side that calls the item invalid; where both
sides agree on the verdict, what only one of them found. The same code with another severity is another finding.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from app.rules.findings import LONGEST_TEXT, Severity, cut

#: What becomes of an item: its verdict turns to invalid, or to valid, or stays while the findings are others.
Kind = Literal["to_invalid", "to_valid", "otherwise"]
#: What a code has to do with it: its errors turn the item to invalid; its errors are gone, which turns it to valid; or
#: the verdict stays and the code is found by the new side only, or by the old side only.
Part = Literal["to_invalid", "to_valid", "appears", "disappears"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PARTS: tuple[Part, ...] = get_args(Part)

#: Codes are those of a few versions of one rule set. What is more than this is counted together under OTHER_CODES.
MOST_CODES = 500
OTHER_CODES = "…"
#: Examples kept in all, by code and part, and how much of either side's findings an example shows.
MOST_EXAMPLES = 200
EXAMPLES_A_CODE = 10
SHOWN_A_SIDE = 5


class Mark(NamedTuple):
    """A finding without its params."""

    code: str
    severity: Severity
    pointer: str


@dataclass(frozen=True, slots=True)
class Flip:
    """One item that the two sides do not see alike. `new` and `old` are what only that side has found."""

    kind: Kind
    new: tuple[Mark, ...]
    old: tuple[Mark, ...]
    #: The codes that make the flip, each with its part in it, once.
    blame: frozenset[tuple[str, Part]]


def flip(old: Iterable[Mark], new: Iterable[Mark]) -> Flip | None:
    """Return how the item's findings differ, None when both sides have the same codes with the same severities."""
    before, after = tuple(old), tuple(new)
    known, found = {mark[:2] for mark in before}, {mark[:2] for mark in after}
    if known == found:
        return None
    gained = tuple(mark for mark in after if mark[:2] not in known)
    lost = tuple(mark for mark in before if mark[:2] not in found)
    was, will = errors(before), errors(after)
    if will and not was:
        return Flip("to_invalid", gained, lost, frozenset((code, "to_invalid") for code in will))
    if was and not will:
        return Flip("to_valid", gained, lost, frozenset((code, "to_valid") for code in was))
    appears: set[tuple[str, Part]] = {(mark.code, "appears") for mark in gained}
    disappears: set[tuple[str, Part]] = {(mark.code, "disappears") for mark in lost}
    return Flip("otherwise", gained, lost, frozenset(appears | disappears))


def errors(marks: Iterable[Mark]) -> set[str]:
    """Return the codes that make an item with these findings invalid."""
    return {mark.code for mark in marks if mark.severity == "error"}


def counts() -> defaultdict[str, Counter[str]]:
    """Return new counts by code and part."""
    return defaultdict(Counter)


@dataclass(slots=True)
class Tally:
    """What has come of a comparison so far. `of` and `to_json` carry it from one step to the next."""

    #: Items looked at.
    items: int = 0
    #: How many requests each version had judged.
    judged_by: Counter[str] = field(default_factory=Counter)
    #: How many items, by code and its part in their flips.
    codes: defaultdict[str, Counter[str]] = field(default_factory=counts)
    #: `{request_id, item, kind, new, old}` of some items, and how many of them there are by code and part.
    examples: list[dict[str, Any]] = field(default_factory=list)
    shown: defaultdict[str, Counter[str]] = field(default_factory=counts)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Tally":
        """Return the tally that `to_json` made, a new one of an empty object."""
        tally = cls(stored.get("items", 0), Counter(stored.get("judged_by", {})))
        tally.codes.update({code: Counter(parts) for code, parts in stored.get("codes", {}).items()})
        tally.shown.update({code: Counter(parts) for code, parts in stored.get("shown", {}).items()})
        tally.examples.extend(stored.get("examples", []))
        return tally

    def to_json(self) -> dict[str, Any]:
        """Return the tally as plain JSON data of bounded size."""
        return {
            "items": self.items,
            "judged_by": dict(self.judged_by),
            "codes": {code: dict(parts) for code, parts in self.codes.items()},
            "examples": self.examples,
            "shown": {code: dict(parts) for code, parts in self.shown.items()},
        }

    def count(self, flipped: Flip) -> None:
        """The item is counted under every code that makes its flip."""
        for code, part in flipped.blame:
            room = code in self.codes or len(self.codes) < MOST_CODES
            self.codes[code if room else OTHER_CODES][part] += 1

    def show(self, flipped: Flip, *, request_id: str, item: int) -> None:
        """The item is among the examples, if there are only few yet of one of the codes that make its flip."""
        few = any(self.shown[code][part] < EXAMPLES_A_CODE for code, part in flipped.blame)
        if not few or len(self.examples) == MOST_EXAMPLES:
            return
        for code, part in flipped.blame:
            self.shown[code][part] += 1
        self.examples.append(
            {
                "request_id": request_id,
                "item": item,
                "kind": flipped.kind,
                "new": [bounded(mark) for mark in flipped.new[:SHOWN_A_SIDE]],
                "old": [bounded(mark) for mark in flipped.old[:SHOWN_A_SIDE]],
            }
        )


def bounded(mark: Mark) -> dict[str, str]:
    """Return the finding as an example shows it. Its pointer holds names out of the item, which may be long."""
    return {"code": mark.code, "severity": mark.severity, "pointer": cut(mark.pointer, LONGEST_TEXT)}
