"""Measure the broker: `.venv/bin/python -m ops.bench.broker`. What the rows mean is in README.md beside this file.

It starts a Redis of its own and every worker as a process of its own, on loopback. What may surprise: on a busy
machine the absolute figures mean nothing, and the ratios a little less.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ops.bench import environment, table
from ops.bench.contenders import ProgramFailed
from ops.bench.ground import Ground, serve
from ops.bench.measures import MEASURES
from ops.bench.runs import Field, Miscounted, Plan
from ops.bench.table import Row

README = Path(__file__).parent / "README.md"

FULL = Plan(
    rounds=5,
    drained=10_000,
    drained_by_peers=4_000,
    shared=20_000,
    sent=5_000,
    bulk=20_000,
    paced=200,
    sparse=8,
    delayed=1_000,
    delayed_s=2,
    waiting=20_000,
    idle_s=12,
    lost=16,
    patience_s=60,
)

QUICK = Plan(
    rounds=3,
    drained=3_000,
    drained_by_peers=1_000,
    shared=6_000,
    sent=1_500,
    bulk=6_000,
    paced=60,
    sparse=3,
    delayed=200,
    delayed_s=1,
    waiting=20_000,
    idle_s=10,
    lost=16,
    patience_s=60,
)


def measure(field: Field, names: Sequence[str]) -> list[Row]:
    """Return the rows of the measurements with these names. One that fails gives a row that says so."""
    rows: list[Row] = []
    for name in names:
        table.say(name)
        try:
            for row in MEASURES[name](field):
                rows.append(row)
                table.say("  " + "  ".join(cell for cell in row.cells() if cell))
        except (ProgramFailed, Miscounted, TimeoutError) as error:
            rows.append(Row(name, "", "", error=f"{type(error).__name__}: {error}"))
            table.say(f"  {rows[-1].error}")
    return rows


def facts(ground: Ground, plan: Plan, *, aof: bool) -> list[str]:
    """Return where and how the figures came about."""
    return [
        f"{os.cpu_count()} cores, shared by Redis, sender and worker",
        f"Redis {ground.version} on loopback",
        "append-only file synced every second" if aof else "no persistence",
        f"Python {platform.python_version()}",
        "one worker process of 8 threads, a task that does nothing, about 200 bytes of JSON as its argument",
        f"medians of {plan.rounds} interleaved rounds",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Return 1 when a bar is missed or a measurement failed."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.write and (options.only or options.quick):
        parser.error("--write needs a whole measurement, not --only or --quick")
    plan = QUICK if options.quick else FULL
    no_peers = environment.missing(options.peers)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        serve(Path(folder) / "redis", binary=options.redis, aof=options.aof) as ground,
    ):
        rows = measure(Field(ground, plan, options.aof, no_peers), options.only or list(MEASURES))
        known = facts(ground, plan, aof=options.aof)
    print("\n".join(known), table.plain(rows), sep="\n\n")
    if options.write:
        table.renew(README, known, rows)
    return int(any(row.failed for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.broker", description="Measure the broker.")
    parser.add_argument("--quick", action="store_true", help="fewer messages and rounds: shows that it works, no more")
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--peers", action="store_true", help="other projects' queues, too; installs them under .local")
    parser.add_argument("--redis", type=Path, metavar="PATH", help="the server's program, if not the embedded one")
    parser.add_argument("--aof", action="store_true", help="with an append-only file, synced every second")
    parser.add_argument("--write", action="store_true", help="renew the table in ops/bench/README.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
