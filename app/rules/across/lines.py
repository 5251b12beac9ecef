"""Lines in order, however many: sorted in runs that fit into memory, kept in a file, merged when they are read.

The file has no name where the system allows that (Linux: O_TMPFILE), so it is gone with the process, however that ends.
"""

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

#: Bytes of lines that are sorted in memory at a time.
RUN_BYTES = 8 * 2**20
#: Runs that are merged at a time: each takes BLOCK_BYTES of memory, and as much again for its lines.
MOST_RUNS = 64
BLOCK_BYTES = 64 * 2**10

#: What Python takes for a line beyond its text: the object and its place in a list.
_LINE_BYTES = 48
_BATCH = 1_000

_Run = tuple[int, int]


class Lines:
    """Byte strings that end in a newline and hold no other line break, compared byte by byte.

    Memory: RUN_BYTES while lines are added, about 2 x MOST_RUNS x BLOCK_BYTES while they are read. Disk: the lines
    themselves; as much again for each time that more than MOST_RUNS runs have to become fewer, which is past 512 MiB.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Nothing is in it. The file will be in `folder`, or else where the system keeps temporary files."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`
        self._runs: list[_Run] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._end = 0

    def add(self, line: bytes) -> None:
        """The line is in its place. Raises OSError when the disk is full."""
        self._waiting.append(line)
        self._waiting_bytes += len(line) + _LINE_BYTES
        if self._waiting_bytes >= RUN_BYTES:
            self._spill()

    def __iter__(self) -> Iterator[bytes]:
        """Return all lines in order. Once they have been read, more may be added, and it may be done again."""
        self._spill()
        while len(self._runs) > MOST_RUNS:
            merged, self._runs = self._runs[:MOST_RUNS], self._runs[MOST_RUNS:]
            self._write(heapq.merge(*(self._read(run) for run in merged)))
        return heapq.merge(*(self._read(run) for run in self._runs))

    def close(self) -> None:
        """The file is gone."""
        self._file.close()
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spill(self) -> None:
        if self._waiting:
            self._waiting.sort()
            self._write(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0

    def _write(self, ordered: Iterable[bytes]) -> None:
        start, lines = self._end, iter(ordered)
        while batch := b"".join(islice(lines, _BATCH)):
            self._end += self._file.write(batch)
        self._file.flush()
        self._runs.append((start, self._end))

    def _read(self, run: _Run) -> Iterator[bytes]:
        """Yield the lines of a run. Reads at a position of its own, for others read and write the file meanwhile."""
        at, end = run
        rest = b""
        while at < end:
            block = os.pread(self._file.fileno(), min(BLOCK_BYTES, end - at), at)
            at += len(block)
            *lines, rest = (rest + block).splitlines(keepends=True)
            yield from lines
            if rest.endswith(b"\n"):
                yield rest
                rest = b""
