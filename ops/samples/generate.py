"""Write the sample sheets and their answers anew: `python -m ops.samples.generate`. The same bytes every time."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from ops.samples import HERE, freight, fx, prices
from ops.samples.dice import Dice
from ops.samples.flaws import Findings, Flaw, Row, Suggested, expected, suggested

SEED = 4217
#: Every kind of flaw is in a sheet at least this often alone, so that each of its variants has a chance.
ALONE = 2


@dataclass(frozen=True, slots=True)
class Made:
    """A generated row, the names of its flaws, what must be found in it, and what must be suggested, among others."""

    row: Row
    flaws: tuple[str, ...]
    findings: Findings
    suggested: Suggested


def files() -> dict[str, bytes]:
    """Return the content of every generated file by its name."""
    dice = Dice(SEED)
    sheets = {
        "freight": (freight.HEADERS, freight_rows(dice)),
        "freight_drifted": (freight.DRIFTED_HEADERS, drifted_rows(dice)),
        "fx": (fx.HEADERS, fx_rows(dice)),
        "prices": (prices.HEADERS, price_rows(dice)),
    }
    rows = {f"{name}.csv": _csv(headers, made) for name, (headers, made) in sheets.items()}
    return rows | {f"{name}.findings.jsonl": _answers(made) for name, (_, made) in sheets.items()}


def freight_rows(dice: Dice) -> list[Made]:
    """Return good rows, rows with one flaw of each kind, and rows with two."""
    return _mixed(dice, freight.good_row, freight.FLAWS, good=130, pairs=40)


def fx_rows(dice: Dice) -> list[Made]:
    """Return the rows of the exchange rate sheet."""
    return _mixed(dice, fx.good_row, fx.FLAWS, good=30, pairs=8)


def price_rows(dice: Dice) -> list[Made]:
    """Return the rows of the price list."""
    return _mixed(dice, prices.good_row, prices.FLAWS, good=40, pairs=15)


def drifted_rows(dice: Dice) -> list[Made]:
    """Return rows under a header that has drifted: none of them can be good."""
    flaws = [freight.DRIFT_BLANK if dice.below(4) == 0 else freight.DRIFT for _ in range(24)]
    return [_spoiled(freight.drifted(freight.good_row(dice)), (flaw,), dice) for flaw in flaws]


def _mixed(dice: Dice, good_row: Callable[[Dice], Row], flaws: Sequence[Flaw], *, good: int, pairs: int) -> list[Made]:
    chosen: list[tuple[Flaw, ...]] = [()] * good
    chosen += [(flaw,) for flaw in flaws for _ in range(ALONE)]
    chosen += [_pair(dice, flaws) for _ in range(pairs)]
    return [_spoiled(good_row(dice), flaws_of_row, dice) for flaws_of_row in _shuffled(dice, chosen)]


def _pair(dice: Dice, flaws: Sequence[Flaw]) -> tuple[Flaw, ...]:
    """Return two flaws that leave each other's cells alone."""
    while True:
        one, other = dice.pick(flaws), dice.pick(flaws)
        if not one.touches & other.touches and "*" not in one.touches | other.touches:
            return one, other


def _spoiled(row: Row, flaws: tuple[Flaw, ...], dice: Dice) -> Made:
    for flaw in flaws:
        flaw.spoil(row, dice)
    return Made(row, tuple(flaw.name for flaw in flaws), expected(flaws), suggested(flaws))


def _shuffled(dice: Dice, chosen: list[tuple[Flaw, ...]]) -> Iterator[tuple[Flaw, ...]]:
    while chosen:
        yield chosen.pop(dice.below(len(chosen)))


def _csv(headers: Sequence[str], made: Sequence[Made]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, headers, lineterminator="\n")
    writer.writeheader()
    writer.writerows(each.row for each in made)
    return text.getvalue().encode()


def _answers(made: Sequence[Made]) -> bytes:
    lines = (
        {"row": n, "flaws": each.flaws, "findings": sorted(each.findings), "suggested": sorted(each.suggested)}
        for n, each in enumerate(made, 1)
    )
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def main() -> None:
    """Write every file beside this module."""
    for name, content in files().items():
        (HERE / name).write_bytes(content)


if __name__ == "__main__":
    main()
