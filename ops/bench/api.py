"""Measure the API: `.venv/bin/python -m ops.bench.api`. What the rows mean is in README.md beside this file.

Ours, the floor (`floor/`) and with `--peers` what a user would write in ours' place (`peers/flask_celery.py`) run side
by side, each one web process and one worker process on the same Postgres and Redis, and are visited in turns by the
same clients, which check every answer: one that is wrong or missing ends the measurement.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from ops import up
from ops.bench import cpu, environment, table
from ops.bench.contenders import ProgramFailed
from ops.bench.house import STAGES, House, Run, Wrong, opened
from ops.bench.load import Crowd, Way
from ops.bench.runs import percentile, ratio
from ops.bench.services import FLOOR, OURS, PEER, Service
from ops.bench.table import Bar, Row, at_least, at_most
from ops.embedded import ServerFailed

README = Path(__file__).parent / "README.md"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    paced: Crowd
    #: Clients who begin their next visit when the last has ended.
    eager: tuple[Crowd, ...]

    @property
    def crowds(self) -> tuple[Crowd, ...]:
        """All of them."""
        return (self.paced, *self.eager)


FULL = Plan(
    rounds=5,
    paced=Crowd(per_s=50, seconds=11, warm_s=1),
    eager=(Crowd(clients=16, seconds=5, warm_s=1), Crowd(clients=64, seconds=5, warm_s=1)),
)
QUICK = Plan(
    rounds=1,
    paced=Crowd(per_s=20, seconds=1),
    eager=(Crowd(clients=8, seconds=1),),
)

#: What a host may keep of the CPU time during a run that counts, and how often such a run is tried.
CALM, TRIES = 0.015, 2

#: The runs of each round, by who was visited how and by whom.
Runs = dict[tuple[Service, Way, Crowd], list[Run]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What is read off one run."""

    what: str
    of: Callable[[Run], float]
    #: How it is written.
    form: str


PER_S = Figure("verdicts", lambda run: run.outcome.per_s, "{:,.0f}/s")
P50 = Figure("POST to verdict, p50", lambda run: percentile(run.outcome.times_ms, 0.5), "{:.1f} ms")
P99 = Figure("POST to verdict, p99", lambda run: percentile(run.outcome.times_ms, 0.99), "{:.1f} ms")

#: What ours is to reach of the peer's: a share of its times, a multiple of its verdicts a second.
_TIMES = {P50: at_most(0.2), P99: at_most(0.25)}
_SPEED = {Way.WAIT: at_least(5), Way.LONG_POLL: at_least(3.5)}
#: And of the floor's verdicts a second.
_OF_FLOOR = at_least(0.7)


def visits(house: House, plan: Plan) -> tuple[Runs, float]:
    """Return all runs, taken in turns, and what the host kept of their time on average. Raises Wrong, ProgramFailed."""
    runs: Runs = defaultdict(list)
    kept_shares: list[float] = []
    for number in range(plan.rounds):
        table.say(f"round {number + 1} of {plan.rounds}")
        for crowd in plan.crowds:
            turns = [(running, way) for running in house.services for way in running.service.ways]
            for running, way in turns if number % 2 else reversed(turns):
                run, kept = calmest(partial(running.visit, way, crowd))
                runs[running.service, way, crowd].append(run)
                kept_shares.append(kept)
                table.say(f"  {running.service.name}, {way}, {crowd.name}: {shown(run)}; the host kept {kept:.1%}")
    return runs, statistics.mean(kept_shares)


def calmest(visit: Callable[[], Run]) -> tuple[Run, float]:
    """Return a run, and the share of the CPU time that the machine's host kept for itself during it.

    A run of which the host kept much shows the host's other guests more than the service: it is done again, and
    the calmest counts. Raises Wrong, ProgramFailed.
    """
    tries: list[tuple[Run, float]] = []
    while not tries or (tries[-1][1] > CALM and len(tries) < TRIES):
        watch = cpu.Watch()
        run = visit()
        tries.append((run, watch.kept))
    return min(tries, key=itemgetter(1))


def shown(run: Run) -> str:
    """Return one run in a few words."""
    told = (f"{figure.what} {figure.form.format(figure.of(run))}" for figure in (PER_S, P50, P99))
    return f"{', '.join(told)}; {run.outcome.visits} visits"


def rows(runs: Runs, plan: Plan, *, no_peers: str | None) -> Iterator[Row]:
    """Yield the rows: first against the peer, if it was measured, then against the floor."""
    if no_peers:
        yield Row(P50.what, "", f"{PEER.name}: {no_peers}")
    else:
        for way in OURS.ways:
            for figure, bar in _TIMES.items():
                yield _beside(PEER, runs, way, plan.paced, figure, bar)
        for way in OURS.ways:
            for crowd in plan.eager:
                yield _beside(PEER, runs, way, crowd, PER_S, _SPEED[way])
    for way in OURS.ways:
        yield _beside(FLOOR, runs, way, plan.paced, P50, None)
        for crowd in plan.eager:
            yield _beside(FLOOR, runs, way, crowd, PER_S, _OF_FLOOR)


def _beside(other: Service, runs: Runs, way: Way, crowd: Crowd, figure: Figure, bar: Bar | None) -> Row:
    theirs_way = way if way in other.ways else other.ways[0]
    ours = [figure.of(run) for run in runs[OURS, way, crowd]]
    theirs = [figure.of(run) for run in runs[other, theirs_way, crowd]]
    mine, yours = (figure.form.format(statistics.median(figures)) for figures in (ours, theirs))
    return Row(f"{figure.what}, {crowd.name}, {way}", mine, f"{other.name} {yours}", ratio(ours, theirs), bar)


def spent(runs: Runs, plan: Plan) -> list[tuple[str, ...]]:
    """Return the table of the CPU that a verdict takes in each stage, in milliseconds."""
    lines: list[tuple[str, ...]] = [("ms of CPU a verdict", *STAGES, "all but clients")]
    for crowd in plan.crowds:
        for service in (OURS, PEER, FLOOR):
            for way in service.ways:
                if each := runs.get((service, way, crowd)):
                    medians = [statistics.median(run.cpu_ms[stage] for run in each) for stage in STAGES]
                    texts = [f"{median:.2f}" for median in (*medians, sum(medians[:-1]))]
                    lines.append((f"{crowd.name}: {service.name}, {way}", *texts))
    return lines


def facts(house: House, plan: Plan) -> list[str]:
    """Return where and how the figures came about."""
    return [
        f"{os.cpu_count()} cores, shared by everything, the clients too",
        *house.versions,
        f"on loopback, fsync on, append-only file synced every second; Python {platform.python_version()}",
        "one web process with gevent and one worker process (threads: ours 16, Celery 8, the floor 1)",
        "a freight item of 15 fields and 2 surcharges, schema and 8 rules, every fifth item bad, every answer checked",
        f"medians of {plan.rounds} interleaved rounds; of {TRIES} runs in a row at most, the first during which the "
        f"machine's host kept no more than {CALM:.1%} of the CPU time for itself, or the calmest",
    ]


def measure(plan: Plan, *, no_peers: str | None) -> tuple[list[str], list[Row], list[tuple[str, ...]]]:
    """Return how it was measured, the rows, and the table of CPU. Raises what stops it."""
    services = [OURS, FLOOR] if no_peers else [PEER, OURS, FLOOR]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, opened(Path(folder), services) as house:
        runs, kept = visits(house, plan)
        for running in house.services:
            running.count()
        host = f"the host kept {kept:.1%} of their CPU time for itself"
        return [*facts(house, plan), host], list(rows(runs, plan, no_peers=no_peers)), spent(runs, plan)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the tables. Return 1 when a bar is missed or the measurement broke off."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.api", description="Measure the API.")
    parser.add_argument("--quick", action="store_true", help="seconds only: shows that it works, no more")
    parser.add_argument("--peers", action="store_true", help="Flask + Celery, too; installs it under .local")
    parser.add_argument("--write", action="store_true", help="renew the tables in ops/bench/README.md")
    options = parser.parse_args(argv)
    if options.write and (options.quick or not options.peers):
        parser.error("--write needs a whole measurement: --peers, and not --quick")
    plan = QUICK if options.quick else FULL
    no_peers = environment.missing(options.peers)
    try:
        known, found, used = measure(plan, no_peers=no_peers)
    except (Wrong, ProgramFailed, ServerFailed, up.Failed) as error:
        table.say(f"{type(error).__name__}: {error}")
        return 1
    print("\n".join(known), table.plain(found), table.aligned(used), sep="\n\n")
    if options.write:
        table.renew(README, known, found, of="api")
        table.put(README, table.marked(used), of="api CPU")
    return int(not options.quick and any(row.failed for row in found))


if __name__ == "__main__":
    sys.exit(main())
