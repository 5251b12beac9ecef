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
from operator import attrgetter
from pathlib import Path

from ops import up
from ops.bench import environment, table
from ops.bench.contenders import ProgramFailed
from ops.bench.house import STAGES, House, Run, Wrong, opened
from ops.bench.load import Crowd, Way
from ops.bench.runs import percentile
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
    rounds=10,
    paced=Crowd(per_s=50, seconds=6, warm_s=1),
    eager=(Crowd(clients=16, seconds=4, warm_s=1), Crowd(clients=64, seconds=4, warm_s=1)),
)
QUICK = Plan(
    rounds=1,
    paced=Crowd(per_s=20, seconds=1),
    eager=(Crowd(clients=8, seconds=1),),
)

#: The runs of each round, by who was visited how and by whom.
Runs = dict[tuple[Service, Way, Crowd], list[Run]]


@dataclass(frozen=True, slots=True)
class Figure:
    """What is read off runs."""

    what: str
    of: Callable[[Sequence[Run]], float]
    #: How it is written.
    form: str


def _time(share: float) -> Callable[[Sequence[Run]], float]:
    return lambda runs: percentile([time_ms for run in runs for time_ms in run.outcome.times_ms], share)


PER_S = Figure("verdicts", lambda runs: statistics.median(run.outcome.per_s for run in runs), "{:,.0f}/s")
P50 = Figure("POST to verdict, p50", _time(0.5), "{:.1f} ms")
P99 = Figure("POST to verdict, p99", _time(0.99), "{:.1f} ms")

#: What ours is to reach of the peer's: a share of its times, a multiple of its verdicts a second.
_TIMES = {P50: at_most(0.2), P99: at_most(0.25)}
_SPEED = {Way.WAIT: at_least(5), Way.LONG_POLL: at_least(3.5)}
#: And of the floor's verdicts a second.
_OF_FLOOR = at_least(0.7)


def visits(house: House, plan: Plan) -> Runs:
    """Return all runs, taken in turns. Raises Wrong, ProgramFailed."""
    runs: Runs = defaultdict(list)
    for number in range(plan.rounds):
        table.say(f"round {number + 1} of {plan.rounds}")
        for crowd in plan.crowds:
            turns = [(running, way) for running in house.services for way in running.service.ways]
            for running, way in turns if number % 2 else reversed(turns):
                run = running.visit(way, crowd)
                runs[running.service, way, crowd].append(run)
                table.say(f"  {running.service.name}, {way}, {crowd.name}: {shown(run)}")
    return runs


def calmer(runs: Runs) -> Runs:
    """Return the half of the runs of each, rounded up, of which the machine's host kept least.

    A run of which the host kept much shows the host's other guests more than the service. What the service did in a
    run has no part in the choice.
    """
    return {key: sorted(each, key=attrgetter("kept"))[: (len(each) + 1) // 2] for key, each in runs.items()}


def shown(run: Run) -> str:
    """Return one run in a few words."""
    told = (f"{figure.what} {figure.form.format(figure.of([run]))}" for figure in (PER_S, P50, P99))
    return f"{', '.join(told)}; {run.outcome.visits} visits; the host kept {run.kept:.1%}"


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
    ours, theirs = figure.of(runs[OURS, way, crowd]), figure.of(runs[other, theirs_way, crowd])
    mine, yours = (figure.form.format(each) for each in (ours, theirs))
    return Row(f"{figure.what}, {crowd.name}, {way}", mine, f"{other.name} {yours}", ours / theirs, bar)


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
        f"{plan.rounds} interleaved rounds; of the runs of each, the half counts of which the host kept least",
    ]


def measure(plan: Plan, *, no_peers: str | None) -> tuple[list[str], list[Row], list[tuple[str, ...]]]:
    """Return how it was measured, the rows, and the table of CPU. Raises what stops it."""
    services = [OURS, FLOOR] if no_peers else [PEER, OURS, FLOOR]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, opened(Path(folder), services) as house:
        runs = visits(house, plan)
        for running in house.services:
            running.count()
    counted = calmer(runs)
    host = f"the host kept {kept(counted):.1%} of the CPU time of those that count, and {kept(runs):.1%} of all"
    return [*facts(house, plan), host], list(rows(counted, plan, no_peers=no_peers)), spent(counted, plan)


def kept(runs: Runs) -> float:
    """Return what the host kept of the CPU time of these runs on average."""
    return statistics.mean(run.kept for each in runs.values() for run in each)


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
