"""Rules across the rows of one file: fed row by row, asked at the end, in bounded memory.

An item may be right by itself and wrong beside another. A rule set says so under `across`, by kind, each with a `key`
(fields of the item) and a message that may name any of the params:

- `unique`: no two rows have the same key. Code `file.duplicate_key`; params `key`, `rows`.
- `overlap`: no two rows of one key are valid on the same day; `from` and `to` are its fields. Code `file.overlap`;
  params also `from` and `to`, the days that both have.
- `conflict`: all rows of one key have the same amount in the field `value`. Code `file.conflict`; params also `values`.
- `change`: from one row of a key to the next in `order`, the amount in `value` changes by no more than the share `most`
  of what it was. Code `file.change`; params also `previous`, `value`, `percent`, `most`.

`rows` are the two rows' numbers, and both are reported; of a `change`, the later row. What may surprise: a row that
lacks what a rule compares (no key, no date, a price that is no number) is left out of that rule and breaks nothing
here, for the rules about items speak of it.
"""

from app.rules.across.rows import Across

__all__ = ["Across"]
