"""The rows of a reference table: codes with their attributes, checked, in the order of the codes.

All limits are here. Whatever is wrong is told as one error about the first place that is; half a table is never loaded.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal, NoReturn, Self

from app import json
from app.errors import InvalidTable
from app.models.reference import Row

#: The places of the world that trade (UN/LOCODE) are some 120,000.
MOST_ROWS = 200_000
#: Size of a file, and of the rows as JSON. Reading one may need 30 times as much memory for a moment.
MOST_BYTES = 8 * 1024 * 1024
LONGEST_CODE = 100
#: Of one row: how many attributes, and characters in the name of one and in its text.
MOST_ATTRIBUTES = 20
LONGEST_NAME = 63
LONGEST_TEXT = 500

#: Rows after which others in this process may have a turn.
TURN = 1_000

#: Control characters, and halves of characters, which are no text (Unicode, general categories Cc and Cs).
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: What a place in the source is called: a line of CSV, an entry of a JSON list. Both are counted from 1.
Unit = Literal["line", "entry"]
#: Where a row is, its code and its attributes, as they were read.
Given = tuple[int, Any, Mapping[Any, Any]]


@dataclass(frozen=True)
class Rows:
    """Checked rows, by code, with the SHA-256 and the size in bytes of their canonical JSON: a list of pairs."""

    rows: tuple[Row, ...]
    digest: bytes
    size: int

    @classmethod
    def of(cls, codes: Iterable[str | dict[str, Any]]) -> Self:
        """Return rows from codes, or from objects with a `code` and attributes. Raises InvalidTable."""
        return cls.checked(entries(codes), "entry")

    @classmethod
    def checked(cls, given: Iterable[Given], unit: Unit) -> Self:
        """Return the rows that were given. Raises InvalidTable: empty, too much, or wrong in a row."""
        kept = tuple(sorted(sound(given, unit), key=itemgetter(0)))
        if not kept:
            refuse("no_rows", "There are no rows.")
        digest, size = hashlib.sha256(b"["), 2
        for start in range(0, len(kept), TURN):
            piece = packed(kept[start : start + TURN])
            digest.update(b"," + piece if start else piece)
            size += len(piece) + bool(start)
        check_size(size)
        digest.update(b"]")
        return cls(kept, digest.digest(), size)


def sound(given: Iterable[Given], unit: Unit) -> Iterator[Row]:
    """Yield every row once it is checked. Raises InvalidTable at the first that is wrong, or one too many."""
    places: dict[str, int] = {}
    turn: list[Row] = []
    size = 0
    for number, code, attributes in given:
        at = Place(unit, number)
        if len(places) == MOST_ROWS:
            at.refuse("too_many_rows", f"a table has at most {MOST_ROWS} rows", most=MOST_ROWS)
        check_code(code, at)
        if places.setdefault(code, number) != number:
            first = places[code]
            at.refuse("code_repeated", f"the code {code} is there already, in {unit} {first}", first=first)
        check_attributes(attributes, at)
        turn.append((code, attributes))
        yield code, attributes
        if len(turn) == TURN:
            # Names of columns come again in every row: what is small as a CSV may be far larger in memory.
            size += len(packed(turn))
            check_size(size)
            turn.clear()
            time.sleep(0)  # In a web process others wait, and only somebody who sleeps gives way to them (gevent).


def packed(rows: Sequence[Row]) -> bytes:
    """Return the rows as canonical JSON without the brackets of the list."""
    return json.canonical(rows)[1:-1]


def check_size(size: int) -> None:
    """Return only if a table may be so large. Raises InvalidTable."""
    if size > MOST_BYTES:
        refuse("too_many_bytes", f"A table has at most {MOST_BYTES} bytes as JSON.", most=MOST_BYTES)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the source something is."""

    unit: Unit
    number: int

    def refuse(self, code: str, what: str, **params: Any) -> NoReturn:
        """Raise InvalidTable: this is wrong here."""
        detail = f"{self.unit.capitalize()} {self.number}: {what}."
        pointer = f"/{self.number - 1}" if self.unit == "entry" else ""
        refuse(code, detail, pointer, **{self.unit: self.number}, **params)


def refuse(code: str, detail: str, pointer: str = "", **params: Any) -> NoReturn:
    """Raise InvalidTable with this one fault."""
    raise InvalidTable(detail, errors=[{"pointer": pointer, "code": code, "detail": detail, "params": params}])


def entries(codes: Iterable[Any]) -> Iterator[Given]:
    """Yield each code with its place in the list and its attributes. Raises InvalidTable for what is no code."""
    for number, entry in enumerate(codes, start=1):
        if isinstance(entry, dict) and "code" in entry:
            yield number, entry["code"], {name: value for name, value in entry.items() if name != "code"}
        elif isinstance(entry, str):
            yield number, entry, {}
        else:
            Place("entry", number).refuse("code_missing", "an entry is a code, or an object with a code")


def check_code(code: Any, at: Place) -> None:
    """Return only if `code` can be one. Raises InvalidTable."""
    if not isinstance(code, str):
        at.refuse("code_no_text", "a code is a text")
    if not code:
        at.refuse("code_empty", "the code is empty")
    if len(code) > LONGEST_CODE:
        at.refuse("code_too_long", f"a code has at most {LONGEST_CODE} characters", most=LONGEST_CODE)
    # Unlike an attribute, a code is compared by its characters: one that nobody sees would make it another code.
    if not code.isprintable():
        at.refuse("code_unprintable", f"the code {code!a} has a character that does not show")
    if code != code.strip():
        at.refuse("code_padded", f"the code {code!r} has a space around it")


def check_attributes(attributes: Mapping[Any, Any], at: Place) -> None:
    """Return only if these are texts, numbers, true or false, null. Raises InvalidTable."""
    if len(attributes) > MOST_ATTRIBUTES:
        at.refuse("too_many_attributes", f"a row has at most {MOST_ATTRIBUTES} attributes", most=MOST_ATTRIBUTES)
    for name, value in attributes.items():
        if fault := name_fault(name):
            at.refuse("attribute_name", fault)
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                at.refuse("text_too_long", f"{name} has more than {LONGEST_TEXT} characters", most=LONGEST_TEXT)
            if UNPRINTABLE.search(value):
                at.refuse("text_unprintable", f"{name} has a control character")
        elif value is not None and not isinstance(value, int | float):
            at.refuse("attribute_nested", f"{name} is neither a text nor a number, true, false or null")


@lru_cache(maxsize=10 * MOST_ATTRIBUTES)
def name_fault(name: str) -> str | None:
    """Return what is wrong with the name of an attribute, or None."""
    if not name or len(name) > LONGEST_NAME:
        return f"the name of an attribute has 1 to {LONGEST_NAME} characters"
    if not name.isprintable() or name != name.strip():
        return f"the name {name!a} has a character that does not show"
    return None
