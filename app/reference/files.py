"""Files that hold a reference table: CSV with a header (RFC 4180), or JSON, both in UTF-8.

A byte order mark at the very start is passed over, as spreadsheets write one; anywhere else it is an error.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from enum import StrEnum

from app import json
from app.reference.content import (
    MOST_ATTRIBUTES,
    MOST_BYTES,
    MOST_ROWS,
    Given,
    Place,
    Rows,
    entries,
    name_fault,
    refuse,
)

#: Lines of a CSV, blank ones among them.
MOST_LINES = 2 * MOST_ROWS


class Format(StrEnum):
    """What a file can be."""

    CSV = "csv"
    JSON = "json"


def read(content: bytes, form: Format) -> Rows:
    """Return the rows in a file: a CSV with a column `code`, or a JSON list of codes or of objects with a `code`.

    Every other column or member is an attribute; an empty cell of a CSV is none.

    Raises:
        InvalidTable: it is too large, not UTF-8, not of its format, or wrong in a row; the line or entry is told.
    """
    if len(content) > MOST_BYTES:
        refuse("too_many_bytes", f"A file has at most {MOST_BYTES} bytes.", most=MOST_BYTES)
    text = decoded(content)
    if form is Format.CSV:
        return Rows.checked(csv_rows(text), "line")
    return Rows.checked(json_rows(text), "entry")


def decoded(content: bytes) -> str:
    """Return the file's text. Raises InvalidTable with the line that is not UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        refuse("not_utf8", "Line 1: the file is in UTF-16; save it as UTF-8.", line=1)
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        refuse("not_utf8", f"Line {line}: the byte {byte:#04x} is no UTF-8; save the file as UTF-8.", line=line)


def csv_rows(text: str) -> Iterator[Given]:
    """Yield the rows of a CSV, each with the line it begins in. Blank lines are passed over. Raises InvalidTable."""
    if max(text.count("\n"), text.count("\r")) > MOST_LINES:
        refuse("too_many_rows", f"A CSV has at most {MOST_LINES} lines.", most=MOST_LINES)
    lines = cells(text)
    top = next(lines, None)
    if top is None:
        return
    names = header(top[1], Place("line", top[0]))
    code = names.index("code")
    names.pop(code)
    for number, found in lines:
        if len(found) != len(names) + 1:
            wrong = f"there are {len(found)} cells, and {len(names) + 1} in the header"
            Place("line", number).refuse("wrong_cells", wrong)
        yield number, found.pop(code), {name: cell for name, cell in zip(names, found, strict=True) if cell}


def cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line that has any, with the line they begin in. Raises InvalidTable."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for found in reader:
            if found:
                yield line, found
            line = reader.line_num + 1
    except csv.Error as error:
        Place("line", line).refuse("not_csv", f"this is no CSV: {error}")


def header(names: list[str], at: Place) -> list[str]:
    """Return the names of the columns. Raises InvalidTable."""
    if len(names) > MOST_ATTRIBUTES + 1:
        at.refuse(
            "too_many_attributes", f"a table has at most {MOST_ATTRIBUTES} columns beside code", most=MOST_ATTRIBUTES
        )
    for name in names:
        if fault := name_fault(name):
            at.refuse("attribute_name", fault)
        if names.count(name) > 1:
            at.refuse("column_repeated", f"there is more than one column {name}")
    if "code" not in names:
        at.refuse("code_missing", "a CSV begins with the names of its columns, separated by commas, one of them code")
    return names


def json_rows(text: str) -> Iterator[Given]:
    """Return the rows of a JSON list. Raises InvalidTable."""
    try:
        value = json.loads(text)
    except ValueError as error:
        refuse("not_json", f"This is no JSON: {error}.")
    if not isinstance(value, list):
        refuse("not_a_list", "A table as JSON is a list of codes, or of objects with a code.")
    return entries(value)
