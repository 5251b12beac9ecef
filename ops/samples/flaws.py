"""The flaws of real sheets: each changes cells of a good row and says which findings that must bring.

Written down from knowledge of the sheets, not by asking the engine. A flaw of the form (a wrong text, a missing cell)
keeps the engine from looking at the conditions between fields, so `expected` forgets those when there are both.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ops.samples.dice import Dice

Row = dict[str, str]
#: (pointer, code)
Findings = frozenset[tuple[str, str]]
#: (pointer, what to write there instead)
Suggested = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One kind of flaw. `touches` are the headers that it reads or writes: two flaws of a row must not share any.

    `suggested` must be among the suggestions that come with the findings; most flaws leave open whether there are any.
    """

    name: str
    touches: frozenset[str]
    findings: Findings
    spoil: Callable[[Row, Dice], None]
    suggested: Suggested = frozenset()

    @property
    def of_form(self) -> bool:
        return any(code.startswith("schema.") for _, code in self.findings)


def expected(flaws: Iterable[Flaw]) -> Findings:
    """Return the findings of a row with these flaws."""
    return frozenset().union(*(flaw.findings for flaw in seen(flaws)))


def suggested(flaws: Iterable[Flaw]) -> Suggested:
    """Return suggestions that a row with these flaws must bring."""
    return frozenset().union(*(flaw.suggested for flaw in seen(flaws)))


def seen(flaws: Iterable[Flaw]) -> list[Flaw]:
    """Return those flaws of a row that the engine gets to see."""
    flaws = list(flaws)
    return [flaw for flaw in flaws if flaw.of_form] or flaws


def cell(name: str, header: str, texts: tuple[str, ...], pointer: str, code: str) -> Flaw:
    """Return the flaw of having one of `texts` in one cell."""
    return cells(name, tuple({header: text} for text in texts), {(pointer, code)})


def cells(
    name: str,
    variants: tuple[Mapping[str, str], ...],
    findings: Iterable[tuple[str, str]],
    *,
    reads: tuple[str, ...] = (),
) -> Flaw:
    """Return the flaw of having one of `variants`, texts by header, in a row whose `reads` cells must stay good."""
    touches = frozenset(reads).union(*variants)
    return Flaw(name, touches, frozenset(findings), lambda row, dice: row.update(dice.pick(variants)))


def mended(name: str, header: str, text: str, pointer: str, code: str, instead: str) -> Flaw:
    """Return the flaw of having `text` in one cell, for which `instead` must be suggested."""
    return replace(cell(name, header, (text,), pointer, code), suggested=frozenset({(pointer, instead)}))


def copied(name: str, source: str, target: str, findings: Iterable[tuple[str, str]]) -> Flaw:
    """Return the flaw of having the text of one cell in another as well."""

    def spoil(row: Row, _dice: Dice) -> None:
        row[target] = row[source]

    return Flaw(name, frozenset({source, target}), frozenset(findings), spoil)


def whole(name: str, variants: tuple[Mapping[str, str], ...], findings: Iterable[tuple[str, str]]) -> Flaw:
    """Return the flaw of a row that is no rate at all: every cell but the given ones is blank."""

    def spoil(row: Row, dice: Dice) -> None:
        row.update({**dict.fromkeys(row, ""), **dice.pick(variants)})

    return Flaw(name, frozenset({"*"}), frozenset(findings), spoil)
