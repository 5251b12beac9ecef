"""Single runs, each of which gives a figure or a few: a drain, a rate of sending, a series of delays."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from ops.bench import tally
from ops.bench.contenders import LATER, NULL, Contender, Worker, play
from ops.bench.ground import PATIENCE_S, Ground, Snapshot
from ops.bench.tally import Report


class Miscounted(AssertionError):
    """A run did not do the work that it was measured for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    #: Messages in a drain of the brokers, and of the slower peers.
    drained: int
    drained_by_peers: int
    #: Messages in a drain by two processes.
    shared: int
    #: Messages sent one by one, and in bulk (whole hundreds).
    sent: int
    bulk: int
    #: Messages with 20 ms between them, and with 1.5 s.
    paced: int
    sparse: int
    #: Messages that are due at random within so many seconds.
    delayed: int
    delayed_s: float
    #: Messages waiting while the memory is weighed.
    waiting: int
    idle_s: float
    #: Messages that a killed worker holds, and how long to wait for them.
    lost: int
    patience_s: float


@dataclass(slots=True)
class Field:
    """The measurement under way: the server, how much to do, and whether the peers are there."""

    ground: Ground
    plan: Plan
    #: Whether the server was started with an append-only file.
    aof: bool
    #: Why the peers are not measured; None when they are.
    no_peers: str | None
    _filled: dict[tuple[str, int], Snapshot] = field(default_factory=dict)

    def fill(self, contender: Contender, number: int) -> None:
        """The server holds `number` waiting messages and nothing else. Sent once, and then kept for the next time."""
        if contender is NULL or contender.elsewhere:
            self.ground.clear()
            if contender.elsewhere:  # the null broker brings its own
                play(contender, "fill", self.ground, number)
            return
        kept = self._filled.get((contender.name, number))
        if kept is None:
            self.ground.clear()
            play(contender, "fill", self.ground, number)
            kept = self._filled[contender.name, number] = self.ground.snapshot()
        self.ground.restore(kept)


@dataclass(frozen=True, slots=True)
class Drain:
    """How fast a full queue was emptied: from the first start of a task to the last acknowledgement."""

    per_s: float
    #: Of the worker, for 1,000 messages.
    cpu_ms: float


def drain(field: Field, contender: Contender, number: int, *, prefetch: int = 0) -> Drain:
    """Return how fast `number` messages were drained. Raises Miscounted unless as many tasks started."""
    [report], done = _run_all(field, contender, number, prefetch=prefetch, processes=1, role="work")
    if contender.left is None:
        done = max(report.started)
    return Drain(number / (done - min(report.started)), report.cpu_since_first_s / number * 1e6)


def shared_speed(field: Field, contender: Contender, number: int, processes: int) -> float:
    """Return how many messages a second so many processes ran, in the time in which all of them were running some.

    Raises Miscounted.
    """
    reports, _ = _run_all(field, contender, number, prefetch=0, processes=processes, role="join")
    if not all(report.ran for report in reports):
        raise Miscounted(f"{contender.name}: a process had nothing to run")
    begun = max(min(report.started) for report in reports)
    ended = min(max(report.started) for report in reports)
    return sum(begun < start <= ended for report in reports for start in report.started) / (ended - begun)


def _run_all(
    field: Field, contender: Contender, number: int, *, prefetch: int, processes: int, role: str
) -> tuple[list[Report], float]:
    """Return what each worker did, and when nothing was left at Redis. Raises Miscounted."""
    ground = field.ground
    field.fill(contender, number)
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(contender, ground, expected=number, name=str(one), prefetch=prefetch, role=role))
            for one in range(processes)
        ]
        if role == "join":
            tally.start_together(ground.desk, processes)
        workers[0].wait_until(lambda: contender.is_done(ground), f"the drain by {contender.name}")
        done = time.monotonic()
        reports = [worker.report() for worker in workers]
    ran = sum(report.ran for report in reports)
    if ran != number:
        raise Miscounted(f"{contender.name} ran {ran} of {number} messages")
    return reports, done


def sent(field: Field, contender: Contender, role: str, number: int) -> float:
    """Return how many messages a second a sending role reached. Raises Miscounted unless all are in Redis."""
    field.ground.clear()
    per_s = play(contender, role, field.ground, number)
    if contender.left is not None and contender.left(field.ground.client) != number:
        raise Miscounted(f"{contender.name} sent {contender.left(field.ground.client)} of {number} messages")
    return per_s


def delays_ms(field: Field, contender: Contender, number: int, every_s: float) -> list[float]:
    """Return the times from send to start, for an idle worker and one message each `every_s`."""
    ground = field.ground
    ground.clear()
    with Worker(contender, ground, expected=number + 1) as worker:
        # One message more, to see that the worker listens; its delay is that of the worker's start.
        play(contender, "pace", ground, 1, 0)
        wait_for_runs(worker, 1)
        play(contender, "pace", ground, number, every_s)
        worker.wait_until(lambda: ground.desk.exists(tally.DONE), "the last message")
        report = worker.report()
    if report.ran != number + 1:
        raise Miscounted(f"{contender.name} ran {report.ran} of {number + 1} messages")
    return [delay_s * 1000 for delay_s in report.delays_s[1:]]


def lateness_ms(field: Field, contender: Contender, number: int, within_s: float) -> list[float]:
    """Return how late delayed messages start, all of which are due within so many seconds. Raises Miscounted."""
    ground = field.ground
    ground.clear()
    with Worker(contender, ground, expected=number + 1) as worker:
        # One message more, to see that the worker listens.
        play(contender, "pace", ground, 1, 0)
        wait_for_runs(worker, 1)
        play(LATER, contender.name, ground, number, within_s)
        worker.wait_until(lambda: ground.desk.exists(tally.DONE), "the last delayed message")
        report = worker.report()
    if report.ran != number + 1:
        raise Miscounted(f"{contender.name} ran {report.ran} of {number + 1} messages")
    return [delay_s * 1000 for delay_s in report.delays_s[1:]]


def wait_for_runs(worker: Worker, number: int, *, patience_s: float = PATIENCE_S) -> Report:
    """Return the worker's report once it has run so many messages. Raises TimeoutError."""
    worker.wait_until(lambda: worker.report().ran >= number, f"{number} messages", patience_s=patience_s, look_s=0.05)
    return worker.report()


def interleaved(rounds: int, *runs: Callable[[], float]) -> list[list[float]]:
    """Return the figures of each run, taken in turns: A B A B …"""
    figures = [[run() for run in runs] for _ in range(rounds)]
    return [list(column) for column in zip(*figures, strict=True)]


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Return the median of the rounds' ratios: what disturbs one round disturbs both of its runs."""
    return statistics.median(one / two for one, two in zip(ours, other, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
