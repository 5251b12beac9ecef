"""The rows of the result, on a terminal and in README.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_HEAD = ("what", "ours", "beside it", "figure", "bar", "")


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


def say(line: str) -> None:
    """The line is on the terminal, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


def plain(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    return aligned([_HEAD, *(row.cells() for row in rows)])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return a table of any texts, its head first, for a terminal."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def renew(readme: Path, facts: Sequence[str], rows: Sequence[Row], *, of: str = "broker") -> None:
    """The table between the file's markers for `of` is this one. Raises ValueError when the markers are not there."""
    put(readme, f"{'; '.join(facts)}.\n\n{marked([_HEAD, *(row.cells() for row in rows)])}", of=of)


def marked(lines: Sequence[Sequence[str]]) -> str:
    """Return a table of any texts, its head first, in Markdown."""
    head, *rest = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rest))


def put(readme: Path, text: str, *, of: str) -> None:
    """The text is between the file's markers for `of`. Raises ValueError when the markers are not there."""
    begin, end = f"<!-- {of} figures begin -->", f"<!-- {of} figures end -->"
    block = f"{begin}\n{text}\n{end}"
    renewed, places = re.subn(f"{begin}.*{end}", lambda _: block, readme.read_text(), flags=re.DOTALL)
    if places != 1:
        raise ValueError(f"{readme} has no place for the figures")
    readme.write_text(renewed)


def _short(figure: float) -> str:
    """Return three digits that matter."""
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"
