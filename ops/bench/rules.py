"""Measure the rules: `.venv/bin/python -m ops.bench.rules`. What the rows mean is in README.md beside this file.

Four ways to judge the same items take turns in one process, and a peer in one of its own:

- ours: `RuleSet.check`, with all findings and suggestions. Conditions that only compare fields and literals never reach
  CEL: `app.rules.quick` answers them in Python. All eight are of that kind, as most rules of authors are.
- ours by CEL: the same, each condition written so that only CEL can answer it. It is what authors get whose rules do
  more than compare, and it has no bar.
- bare: `is_valid` of jsonschema-rs, then `iter_errors` for an item that fails or else one CEL list expression of eight
  rules; nothing is made of what they say.
- bare schema alone, to show what the rest costs.
- the peer: the same two steps by the packages jsonschema and cel-python.

Our rules, in either way, ask facts where we have some. The bare side asks what CEL can answer by itself, which is less:
of currencies one of the 24 that the items use, not ISO's 300; of amounts doubles, not exact millionths. All sides must
find the same items invalid, or the run fails. Times are CPU time of one thread, so that a busy machine matters less.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import jsonschema_rs
from cel_expr_python import cel

from app.rules import RuleSet, compile_rules
from ops.bench import environment, table
from ops.bench.freight import CURRENCIES, PLAIN, RULESET, items
from ops.bench.table import Row, at_least, at_most

README = Path(__file__).parent / "README.md"
PEER = Path(__file__).parent / "peers" / "rules.py"

#: Returns whether an item is valid.
Judge = Callable[[Any], bool]


class Disagreed(RuntimeError):
    """Two sides did not find the same items invalid."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    #: Items a round, new ones in each; and how many the peer gets of them, slow as it is.
    items: int
    peers: int
    #: Items after which memory is looked at, and looked at again.
    warm: int
    long: int


FULL = Plan(rounds=9, items=4_000, peers=200, warm=100_000, long=1_000_000)
QUICK = Plan(rounds=5, items=1_000, peers=50, warm=5_000, long=20_000)


def ours(ruleset: RuleSet) -> Judge:
    """Return our way."""
    check = ruleset.check
    return lambda item: not any(finding.severity == "error" for finding in check(item))


def by_cel(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition with the same conditions, written so that only CEL can answer them."""
    rules = [rule | {"expr": f"({rule['expr']}) ? true : false"} for rule in definition["rules"]]
    return {**definition, "rules": rules}


def bare() -> Judge:
    """Return the two libraries with nothing around them."""
    schema = _validator()
    is_valid, iter_errors = schema.is_valid, schema.iter_errors
    rules = cel.NewEnv(variables={"item": cel.Type.DYN}).compile("[" + ", ".join(f"({rule})" for rule in PLAIN) + "]")

    def judge(item: Any) -> bool:
        if not is_valid(item):
            for _ in iter_errors(item):
                pass
            return False
        answers: list[bool] = rules.eval(data={"item": item}).plain_value()
        return all(answers)

    return judge


def bare_schema() -> Judge:
    """Return the schema alone."""
    schema = _validator()

    def judge(item: Any) -> bool:
        return schema.is_valid(item) or sum(1 for _ in schema.iter_errors(item)) == 0

    return judge


def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        RULESET["schema"], validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


def speed(plan: Plan, *, peers: bool) -> Iterator[Row]:
    """Yield the rows about time."""
    sides = {
        "ours": ours(compile_rules(RULESET)),
        "by CEL": ours(compile_rules(by_cel(RULESET))),
        "bare": bare(),
        "schema": bare_schema(),
    }
    source = items(seed=4)
    times: dict[str, list[float]] = {name: [] for name in sides}
    peer: list[float] = []
    for number in range(plan.rounds + 1):
        batch = list(islice(source, plan.items))
        verdicts = {}
        order = list(sides) if number % 2 else list(reversed(sides))
        for name in order:
            seconds, verdicts[name] = timed(sides[name], batch)
            if number:  # The first round only warms up.
                times[name].append(seconds / len(batch) * 1e6)
        if not verdicts["ours"] == verdicts["by CEL"] == verdicts["bare"]:
            raise Disagreed("ours, with CEL and without, and bare do not find the same items invalid")
        if peers and number:
            peer.append(asked(batch[: plan.peers], verdicts["ours"][: plan.peers]))
    yield _row("a check, all findings", times["ours"], "both libraries, bare", times["bare"], table.at_most(1.25))
    yield _row("… all conditions by CEL", times["by CEL"], "both libraries, bare", times["bare"], None)
    yield _row("a check, all findings", times["ours"], "jsonschema-rs alone, bare", times["schema"], None)
    if peers:
        mine, theirs = median(times["ours"]), median(peer)
        yield Row(
            "items a second",
            f"{1e6 / mine:,.0f}/s",
            f"jsonschema + cel-python {1e6 / theirs:,.0f}/s",
            median(slow / fast for slow, fast in zip(peer, times["ours"], strict=True)),
            at_least(5),
        )


def _row(what: str, mine: list[float], other: str, theirs: list[float], bar: table.Bar | None) -> Row:
    ratio = median(one / two for one, two in zip(mine, theirs, strict=True))
    return Row(what, f"{median(mine):.1f} µs", f"{other} {median(theirs):.1f} µs", ratio, bar)


def timed(judge: Judge, batch: Sequence[Any]) -> tuple[float, list[bool]]:
    """Return the CPU seconds that it took, and the verdicts."""
    gc.collect()
    begun = time.process_time()
    verdicts = [judge(item) for item in batch]
    return time.process_time() - begun, verdicts


def asked(batch: Sequence[Any], expected: Sequence[bool]) -> float:
    """Return the CPU microseconds an item that the peer takes. Raises Disagreed."""
    work = {"schema": RULESET["schema"], "rules": PLAIN, "items": batch}
    done = subprocess.run(
        [environment.PYTHON, PEER], input=json.dumps(work), capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    if told["verdicts"] != list(expected):
        raise Disagreed("the peer does not find the same items invalid")
    return float(told["us_per_item"])


def memory(plan: Plan) -> Row:
    """Return the row about memory: what one process holds, early and late."""
    judge = ours(compile_rules(RULESET))
    source = items(seed=5)
    for item in islice(source, plan.warm):
        judge(item)
    early = resident_mib()
    for item in islice(source, plan.long - plan.warm):
        judge(item)
    late = resident_mib()
    what = f"memory after {plan.long:,} items"
    return Row(what, f"{late:.1f} MiB", f"after {plan.warm:,} {early:.1f} MiB", late / early, at_most(1.05))


def resident_mib() -> float:
    """Return the resident memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(plan: Plan, *, peers: bool) -> list[Row]:
    """Return all rows."""
    return [*speed(plan, peers=peers), memory(plan)]


def facts(plan: Plan) -> list[str]:
    """Return where and how the figures came about."""
    return [
        f"CPU time of one of {os.cpu_count()} cores",
        f"Python {platform.python_version()}",
        f"a freight item of 15 fields and 2 surcharges, schema and {len(PLAIN)} rules, every fifth item bad, "
        f"{len(CURRENCIES)} currencies",
        f"medians of {plan.rounds} interleaved rounds of {plan.items:,} items",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.rules", description="Measure the rules.")
    parser.add_argument("--quick", action="store_true", help="fewer items: shows that it works, no more")
    parser.add_argument("--peers", action="store_true", help="jsonschema and cel-python, too; installs them in .local")
    parser.add_argument("--write", action="store_true", help="renew the table in ops/bench/README.md")
    options = parser.parse_args(argv)
    if options.write and options.quick:
        parser.error("--write needs a whole measurement, not --quick")
    if options.peers:
        environment.make()
    plan = QUICK if options.quick else FULL
    rows, known = measure(plan, peers=options.peers), facts(plan)
    print("\n".join(known), table.plain(rows), sep="\n\n")
    if options.write:
        table.renew(README, known, rows, of="rules")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
