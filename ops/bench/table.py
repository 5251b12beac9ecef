"""The rows of the result, on a terminal and in README.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_HEAD = ("what", "ours", "beside it", "figure", "bar", "")
_BEGIN, _END = "<!-- broker figures begin -->", "<!-- broker figures end -->"


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit that a figure must reach, or must not exceed."""

    limit: float
    is_least: bool

    def holds(self, figure: float) -> bool:
        """Whether the figure passes."""
        return figure >= self.limit if self.is_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.limit:g}"


def at_least(limit: float) -> Bar:
    """The figure must reach the limit."""
    return Bar(limit, is_least=True)


def at_most(limit: float) -> Bar:
    """The figure must not exceed the limit."""
    return Bar(limit, is_least=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: a ratio unless the unit says otherwise. Without a figure it says what could not be measured."""

    what: str
    ours: str
    beside: str
    figure: float | None = None
    bar: Bar | None = None
    unit: str = "×"  # noqa: RUF001  # the sign for times, not the letter
    #: Why the measurement broke off.
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the measurement broke off, or there is a bar and it was not passed."""
        return bool(self.error) or (self.bar is not None and (self.figure is None or not self.bar.holds(self.figure)))

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts."""
        figure = "not measured" if self.figure is None else f"{_short(self.figure)} {self.unit}"
        verdict = "" if self.bar is None else "MISSED" if self.failed else "passed"
        return (self.what, self.ours, self.error or self.beside, figure, str(self.bar or ""), verdict)


def plain(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def renew(readme: Path, facts: Sequence[str], rows: Sequence[Row]) -> None:
    """The table between the file's markers is this one. Raises ValueError when the markers are not there."""
    lines = [_HEAD, ("---",) * len(_HEAD), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    block = f"{_BEGIN}\n{'; '.join(facts)}.\n\n{table}\n{_END}"
    renewed, places = re.subn(f"{_BEGIN}.*{_END}", lambda _: block, readme.read_text(), flags=re.DOTALL)
    if places != 1:
        raise ValueError(f"{readme} has no place for the figures")
    readme.write_text(renewed)


def _short(figure: float) -> str:
    """Return three digits that matter."""
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"
