"""Measure rules across rows: `.venv/bin/python -m ops.bench.across`. What the rows mean is in README.md beside this.

Each size is a process of its own, for the peak of memory is that of a process; it reads /proc, so this needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from app.rules.across import Across
from ops.bench import table
from ops.bench.table import Row, at_most

README = Path(__file__).parent / "README.md"
ROOT = Path(__file__).parents[2]

#: How many rows, and how many to see beside it what more rows cost.
ROWS = 1_000_000
FEWER = 100_000
#: A file has so many months of each lane, and one flawed row in so many.
MONTHS = 10
FLAWED = 97
#: Made before they are timed.
BLOCK = 1_000
#: The bar: what the rows may take beyond the process before them. As Python objects they would take about 1,000 MB.
MEMORY_MB = 64

_LANE = ["/carrier", "/contract", "/origin", "/destination", "/equipment"]
_SAID = {"message": "Wrong beside another row.", "severity": "error"}
DEFINITION: dict[str, Any] = {
    "across": [
        _SAID | {"id": "repeated", "kind": "unique", "key": [*_LANE, "/valid_from"]},
        _SAID | {"id": "overlap", "kind": "overlap", "key": _LANE, "from": "/valid_from", "to": "/valid_to"},
        _SAID | {"id": "conflict", "kind": "conflict", "key": [*_LANE, "/valid_from"], "value": "/amount"},
        _SAID
        | {"id": "jump", "kind": "change", "key": _LANE, "order": "/valid_from", "value": "/amount", "most": "0.5"},
    ]
}


@dataclass(frozen=True, slots=True)
class Fed:
    """What one process took, in seconds of CPU. Memory is beyond what it had before the first row."""

    rows: int
    findings: int
    add_s: float
    find_s: float
    memory_mb: float
    disk_mb: float

    @property
    def per_s(self) -> float:
        """Rows a second of CPU, from the first row to the last finding."""
        return self.rows / (self.add_s + self.find_s)


def feed(rows: int) -> Fed:
    """Return what so many rows take, in this process."""
    before_mb, add_s, find_s, findings, disk_mb = _peak_mb(), 0.0, 0.0, 0, 0.0
    numbered = enumerate(items(rows))
    with Across(DEFINITION) as across:
        while block := list(islice(numbered, BLOCK)):
            begun = time.process_time()
            for number, item in block:
                across.add(number, item)
            add_s += time.process_time() - begun
        begun = time.process_time()
        for _ in across.findings():
            disk_mb = disk_mb or _nameless_mb()
            findings += 1
        find_s = time.process_time() - begun
    return Fed(rows, findings, add_s, find_s, _peak_mb() - before_mb, disk_mb)


def fed(rows: int) -> Fed:
    """Return what so many rows take, in a process of their own."""
    command = [sys.executable, "-m", "ops.bench.across", "--feed", str(rows)]
    return Fed(**json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout))


def table_rows(many: Fed, few: Fed) -> list[Row]:
    """Return the rows of the table."""
    beside, rules = f"{few.rows:,} rows", len(DEFINITION["across"])
    seconds, lines = many.add_s + many.find_s, many.rows * rules
    return [
        Row(
            f"{many.rows:,} rows, {rules} rules",
            f"{many.per_s:,.0f}/s",
            f"{beside} {few.per_s:,.0f}/s",
            seconds,
            unit="s",
        ),
        Row("… fed", f"{many.add_s:.1f} s", f"{beside} {few.add_s:.1f} s", many.add_s, unit="s"),
        Row(
            f"… asked: {many.findings:,} findings",
            f"{many.find_s:.1f} s",
            f"{beside} {few.find_s:.1f} s",
            many.find_s,
            unit="s",
        ),
        Row(
            "… peak of memory",
            f"{many.memory_mb:.0f} MB",
            f"{beside} {few.memory_mb:.0f} MB",
            many.memory_mb,
            at_most(MEMORY_MB),
            "MB",
        ),
        Row(
            "… disk",
            f"{many.disk_mb * 1e6 / lines:.0f} bytes a row and rule",
            f"{beside} {few.disk_mb:.0f} MB",
            many.disk_mb,
            unit="MB",
        ),
    ]


def items(rows: int) -> Iterator[dict[str, Any]]:
    """Yield freight rates, month after month of all lanes. A flawed one has the month before, and half of them the
    amount doubled."""
    lanes = max(rows // MONTHS, 1)
    for number in range(rows):
        month, lane = divmod(number, lanes)
        flawed = month > 0 and number % FLAWED == 0
        day = f"2025-{month % 12 + 1 - flawed:02d}"
        amount = 1_000 + lane % 500 + 10 * month
        yield {
            "carrier": "MAEU",
            "contract": f"NAC-{lane % 977}",
            "origin": f"CN{lane % 31:03d}",
            "destination": f"NL{lane // 977:03d}",
            "equipment": "40HC",
            "amount": f"{amount * (2 if flawed and lane % 3 else 1)}.00",
            "valid_from": f"{day}-01",
            "valid_to": f"{day}-28",
        }


def facts() -> list[str]:
    """Return where and how the figures came about."""
    return [
        f"{os.cpu_count()} cores, of which one is used",
        f"Python {platform.python_version()}",
        f"rows of 8 fields, {MONTHS} months of each lane, one row in {FLAWED} flawed",
        "seconds of CPU; one run",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.across", description="Measure rules across rows.")
    parser.add_argument("--write", action="store_true", help="renew the table in ops/bench/README.md")
    parser.add_argument("--feed", type=int, metavar="ROWS", help="only so many rows, in this process; prints JSON")
    options = parser.parse_args(argv)
    if options.feed:
        print(json.dumps(asdict(feed(options.feed))))
        return 0
    rows = table_rows(fed(ROWS), fed(FEWER))
    print("\n".join(facts()), table.plain(rows), sep="\n\n")
    if options.write:
        table.renew(README, facts(), rows, of="across")
    return int(any(row.failed for row in rows))


def _peak_mb() -> float:
    """Return the most memory that this program has had (proc(5), VmHWM). Not ru_maxrss: that survives an exec."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def _nameless_mb() -> float:
    """Return the size of the files without a name that this process has open."""
    files = [each.stat() for each in Path("/proc/self/fd").iterdir() if each.exists()]
    return sum(file.st_size for file in files if not file.st_nlink) / 1e6


if __name__ == "__main__":
    sys.exit(main())
