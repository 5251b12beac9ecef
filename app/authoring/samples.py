"""Samples: the first rows of a file and some of the others, taken at random but the same for the same seed.

A CSV (RFC 4180) has a header, and its cells are texts: to say what they must look like is up to the rules. An empty
cell is a field that is not there. NDJSON has one item a line. Blank lines are passed over in both.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from random import Random
from typing import Any, NoReturn

from app import json
from app.errors import BadRequest, InvalidRequest
from app.rules import Finding

#: Rows, blank ones included, that are looked at for a sample; what follows in a longer file is not read.
MOST_READ = 100_000
#: Columns of a CSV.
MOST_COLUMNS = 500


class Format(StrEnum):
    """What a file can be."""

    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True)
class Row:
    """One item, and where it was: `index` counts items from 0; `line` is where it begins in a file, from 1.

    A row that no item can be made of has a finding that says why, and the text of the row for its item.
    """

    index: int
    item: Any
    line: int | None = None
    unreadable: Finding | None = None


@dataclass(frozen=True)
class Sample:
    """Rows in the order of the file, taken from the `read` first ones; `complete` when those are all there are."""

    rows: Sequence[Row]
    read: int
    complete: bool


#: What an iterator gives that has nothing more to give.
END = object()

#: A row that has not been made an item yet: its index, its line, and its text or cells.
_Raw = tuple[int, int, Any]


def of(content: bytes, form: Format, *, first: int, random: int, seed: int, max_depth: int) -> Sample:
    """Return the `first` rows of the file and `random` of the others, fewer where there are not so many.

    Raises:
        BadRequest: the file is not UTF-8.
        InvalidRequest: the header of the CSV is missing, too long, or has a name twice or an empty one.
    """
    text = _decoded(content)
    source = _Csv(text) if form is Format.CSV else _Ndjson(text, max_depth)
    records = source.records()
    raws = ((index, line, raw) for index, (line, raw) in enumerate(filter(None, islice(records, MOST_READ))))
    head = list(islice(raws, first))
    others, seen = _drawn(raws, random, Random(seed))
    rows = [source.row(raw) for raw in chain(head, others)]
    return Sample(rows, read=len(head) + seen, complete=next(records, END) is END)


def _drawn(raws: Iterator[_Raw], amount: int, dice: Random) -> tuple[list[_Raw], int]:
    """Return `amount` of the rows, each as likely as any other, in their order, and how many there were."""
    drawn: list[_Raw] = []
    seen = 0
    for raw in raws:
        seen += 1
        if len(drawn) < amount:
            drawn.append(raw)
        elif (place := dice.randrange(seen)) < amount:
            drawn[place] = raw
    return sorted(drawn, key=lambda raw: raw[0]), seen


class _Ndjson:
    """A text with one JSON value a line."""

    def __init__(self, text: str, max_depth: int) -> None:
        self._text = text
        self._max_depth = max_depth

    def records(self) -> Iterator[tuple[int, str] | None]:
        """Yield each line with its number, None for a blank one."""
        for number, line in enumerate(io.StringIO(self._text), 1):
            yield (number, line) if line.strip() else None

    def row(self, raw: _Raw) -> Row:
        index, number, line = raw
        try:
            return Row(index, json.parse(line.encode(), max_depth=self._max_depth), number)
        except BadRequest as error:
            reason = error.detail.removeprefix("The body ").rstrip(".")
            return Row(index, line.rstrip("\r\n"), number, _unreadable("file.not_json", reason=reason))


class _Csv:
    """A text with a header and rows of cells."""

    def __init__(self, text: str) -> None:
        self._reader = csv.reader(io.StringIO(text, newline=""))
        _, header = next(filter(None, islice(self.records(), MOST_READ)), (0, None))
        if not isinstance(header, list):
            _refuse("file.empty", "The file has no header.")
        self._names = _checked([name.strip() for name in header])

    def records(self) -> Iterator[tuple[int, list[str] | str] | None]:
        """Yield the cells of each row with the line it begins in, None for a blank one.

        The reason stands in place of the cells where it is no CSV.
        """
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, str(error)
                continue
            yield (line, cells) if any(cells) else None

    def row(self, raw: _Raw) -> Row:
        index, line, cells = raw
        if isinstance(cells, str):
            return Row(index, None, line, _unreadable("file.not_csv", reason=cells))
        if len(cells) != len(self._names):
            wrong = _unreadable("file.wrong_cells", cells=len(cells), expected=len(self._names))
            return Row(index, ",".join(cells), line, wrong)
        return Row(index, {name: cell for name, cell in zip(self._names, cells, strict=True) if cell}, line)


def _checked(names: list[str]) -> list[str]:
    if len(names) > MOST_COLUMNS:
        _refuse("file.too_many_columns", f"A file has at most {MOST_COLUMNS} columns.", most=MOST_COLUMNS)
    for place, name in enumerate(names):
        if not name:
            _refuse("file.blank_label", f"Column {place + 1} has no name.", column=place + 1)
        if name in names[:place]:
            _refuse("file.duplicate_label", f"More than one column is called {name[:100]}.", label=name[:100])
    return names


def _decoded(content: bytes) -> str:
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadRequest(f"The file is not UTF-8: see line {line}.") from None


def _unreadable(code: str, **params: Any) -> Finding:
    return Finding("", code, "error", params, "")


def _refuse(code: str, detail: str, **params: Any) -> NoReturn:
    raise InvalidRequest(detail, errors=[{"pointer": "", "code": code, "detail": detail, "params": params}])
