"""What the kinds of rules have in common: what a row gives to be compared, and what comes of comparing.

The rows of one key come to a kind in order: by what it orders by, then by their numbers. There may be a million of
them, so it must not keep them; and each is reported once, with one partner, for a thousand equal rows make half a
million pairs.
"""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

#: Its place in the order and its value: what it has none of is empty.
Compared = tuple[str, str]


class Row(NamedTuple):
    """One row of a key: its number in the file, and what is compared of it."""

    number: int
    place: str
    value: str


class Breach(NamedTuple):
    """The row with that number is wrong beside another. `params` say which, as `rows`, and why."""

    number: int
    params: dict[str, Any]


class Kind(Protocol):
    """One kind of rule: what makes rows of one key wrong."""

    #: What findings are called: stable.
    code: ClassVar[str]

    @property
    def pointer(self) -> str:
        """Where findings point."""

    def compared(self, item: dict[str, Any]) -> Compared | None:
        """Return what is compared of an item, in characters that JSON does not escape; None to leave the row out."""

    def breaches(self, rows: Iterable[Row]) -> Iterator[Breach]:
        """Yield what is wrong among the rows of one key, at most once a row."""
