"""Tables for a terminal. What strangers put into Redis is shown, but cannot move the cursor or change colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

#: No cell is wider than this; the rest is cut.
_WIDEST = 60

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return lines with a column for each heading; numbers stand to the right."""
    rows = [list(row) for row in rows]
    cells = [[_cut(plain(cell)) for cell in row] for row in rows]
    columns = list(zip(headings, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [bool(rows) and all(isinstance(row[at], int | float) for row in rows) for at in range(len(headings))]
    return "\n".join(_line(line, widths, right) for line in [list(headings), *cells])


def plain(value: object) -> str:
    """Return the value as one line of printable text; None is a dash. Other characters are escaped as in Python."""
    if value is None:
        return "-"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(value))


def lines(value: str) -> str:
    """Return the text with its line breaks, all else escaped as in `plain`."""
    return "\n".join(plain(line) for line in value.split("\n"))


def age(ms: float | None) -> str:
    """Return a time span in its two greatest units: 340ms, 12s, 3m12s, 5h0m, 2d3h; a dash for None."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{int(ms)}ms"
    seconds = int(ms / 1000)
    for (size, unit), (next_size, next_unit) in pairwise(_UNITS):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // next_size}{next_unit}"
    return f"{seconds}s"


def moment(ms: int) -> str:
    """Return a time in ms since 1970 to the second, in UTC: 2026-11-23T13:00:05Z; a dash for 0."""
    if not ms:
        return "-"
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OSError, OverflowError, ValueError):
        # Anybody may have written it.
        return str(ms)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()
