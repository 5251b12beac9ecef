"""Sample rates with known answers: sheets as people really send them, and what is wrong with each row.

The sheets and answers are files beside this module, written by `python -m ops.samples.generate`. The answers come from
what the generator did to each row, never from the engine that they are there to test.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson

from ops.samples.sheets import SHEETS, Item, Sheet, items

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as a JSON item, the rule set to check it with, and every finding to expect, as (pointer, code).

    `suggested` are suggestions to expect among others: what to write instead of the value at a pointer.
    """

    ruleset: str
    item: Item
    expected: frozenset[tuple[str, str]]
    suggested: frozenset[tuple[str, str]]


def load() -> tuple[Sample, ...]:
    """Return every row of every sheet, in their order."""
    return tuple(sample for sheet in SHEETS for sample in samples(sheet))


def samples(sheet: Sheet) -> tuple[Sample, ...]:
    """Return the rows of one sheet with their answers. Raises ValueError when rows and answers differ in number."""
    rows = items(sheet, (HERE / sheet.rows_file).read_text(encoding="utf-8"))
    answers = [orjson.loads(line) for line in (HERE / sheet.answers_file).read_bytes().splitlines()]
    return tuple(
        Sample(sheet.ruleset, row, _pairs(answer["findings"]), _pairs(answer["suggested"]))
        for row, answer in zip(rows, answers, strict=True)
    )


def _pairs(lists: list[list[str]]) -> frozenset[tuple[str, str]]:
    return frozenset((pointer, text) for pointer, text in lists)
