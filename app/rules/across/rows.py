"""The rows of one file, compared with one another.

Each rule writes one short line a row, which begins with the row's key; sorting the lines brings the rows of a key
together. What is found is sorted once more, by row.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from app.rules.across.keys import Key, shown
from app.rules.across.kinds import Kind, Row
from app.rules.across.lines import Lines
from app.rules.across.rules import Rule, read
from app.rules.findings import Finding, clip

#: Row numbers are written with this many digits, so that they sort.
_DIGITS = 12


class Across:
    """Feed it rows, ask it at the end: `with Across(definition) as across`.

    Memory is bounded whatever comes: some 30 MB. Disk: for each row and rule the key (as JSON, of 200 bytes; a longer
    one is cut as params are) and 20 to 100 bytes, while findings are asked for the params of each as well; `Lines` says
    when it is more. It is not for several threads at a time.
    """

    def __init__(self, definition: Mapping[str, Any], folder: Path | None = None) -> None:
        """No row is known. `definition` is one that `compile_rules` takes.

        Files will be in `folder`, or else where the system keeps temporary ones; they are gone with the process.
        """
        self._rules = read(definition, folder)
        self._keyed = _keyed(self._rules)
        self._folder = folder
        self._lines = Lines(folder)

    def add(self, number: int, item: Any) -> None:
        """The item, any JSON value, is known as the row with that number. A number is given once; any order will do.

        Raises ValueError for a number below 0 or of more than 12 digits, OSError when the disk is full.
        """
        if not 0 <= number < 10**_DIGITS:
            raise ValueError(f"{number} is no number of a row")
        if not isinstance(item, dict):
            return
        written = b"%012d" % number
        for key, rules in self._keyed:
            shared = key.of(item)
            if shared is None:
                continue
            for index, kind in rules:
                compared = kind.compared(item)
                if compared is not None:
                    place, value = compared
                    parts = (index, shared, place.encode(), written, value.encode())
                    self._lines.add(b"\t".join(parts) + b"\n")

    def findings(self) -> Iterator[tuple[int, Finding]]:
        """Yield (row, finding) by row, and for one row in the order of the rules: at most one for each.

        It may be asked again, and more rows may be added before that.
        """
        with Lines(self._folder) as found:
            for start, lines in groupby(self._lines, key=_rule_and_key):
                for line in self._found(start, lines):
                    found.add(line)
            for line in found:
                number, index, params = line.split(b"\t")
                yield int(number), self._finding(int(index), orjson.loads(params))

    def close(self) -> None:
        """The rows are forgotten and their file is gone."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _found(self, start: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Yield what is wrong among the rows of one key, in lines that sort by row."""
        first, second = next(lines), next(lines, None)
        if second is None:  # Most keys are there once: not worth reading.
            return
        index, shared = start.split(b"\t")
        rows = map(_row, chain((first, second), lines))
        for number, params in self._rules[int(index)].kind.breaches(rows):
            written = orjson.dumps(clip({"key": shown(shared)} | params))
            yield b"%012d\t%b\t%b\n" % (number, index, written)

    def _finding(self, index: int, params: dict[str, Any]) -> Finding:
        rule = self._rules[index]
        return Finding(rule.kind.pointer, rule.kind.code, rule.severity, params, rule.id)


def _keyed(rules: Sequence[Rule]) -> list[tuple[Key, list[tuple[bytes, Kind]]]]:
    """Return each key once, for many rules share theirs, with the rules about it."""
    keyed: dict[tuple[str, ...], list[tuple[bytes, Kind]]] = {}
    for index, rule in enumerate(rules):
        keyed.setdefault(rule.fields, []).append((b"%02d" % index, rule.kind))
    return [(Key(fields), about) for fields, about in keyed.items()]


def _rule_and_key(line: bytes) -> bytes:
    return line[: line.index(b"\t", 3)]


def _row(line: bytes) -> Row:
    _, _, place, number, value = line.decode().split("\t")
    return Row(int(number), place, value[:-1])
