"""The measurements, by name, each of which yields rows: the bars of the broker, and what is beside them.

Whatever is compared runs in turns on the same server, and a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from ops.bench import rabbitmq
from ops.bench.contenders import (
    BULK,
    HUEY,
    NULL,
    OURS,
    PEERS,
    RABBITMQ,
    REDIS_BROKER,
    Contender,
    ProgramFailed,
    Worker,
    play,
)
from ops.bench.ground import wait_for
from ops.bench.runs import (
    Drain,
    Field,
    Miscounted,
    delays_ms,
    drain,
    interleaved,
    lateness_ms,
    percentile,
    ratio,
    sent,
    shared_speed,
    wait_for_runs,
)
from ops.bench.table import Bar, Row, at_least, at_most

#: The prefetch of the second drain.
_DEEP = 200

#: Seconds between two messages.
_PACE_S = 0.02
_SPARSE_S = 1.5

#: Redis offers delayed messages by its clock, CLOCK_REALTIME, and tasks note their starts by CLOCK_MONOTONIC, in ms:
#: so far the two may drift apart within a round. 0.0002 ms were seen in eight seconds.
_CLOCKS_MS = 0.1

Measure = Callable[[Field], Iterator[Row]]


def drains(field: Field) -> Iterator[Row]:
    """Emptying a full queue, at Dramatiq's default prefetch, and what that costs the worker."""
    ours, theirs = _drained(field, [OURS, REDIS_BROKER], prefetch=0)
    yield _rates("drain, default prefetch", ours, theirs, REDIS_BROKER, at_least(4))
    one, two = [figure.cpu_ms for figure in ours], [figure.cpu_ms for figure in theirs]
    yield Row(
        "worker CPU for 1,000 messages",
        f"{statistics.median(one):.0f} ms",
        f"RedisBroker {statistics.median(two):.0f} ms",
        ratio(one, two),
        at_most(0.35),
    )


def deep_drains(field: Field) -> Iterator[Row]:
    """Emptying a full queue at prefetch 200, beside a worker that needs no broker at all."""
    ours, theirs, null = _drained(field, [OURS, REDIS_BROKER, NULL], prefetch=_DEEP)
    yield _rates("drain, prefetch 200", ours, theirs, REDIS_BROKER, at_least(6))
    # No bar: ours has been measured both above and below it, so it is not the ceiling that a bar would need.
    yield _rates("drain, prefetch 200", ours, null, NULL, None)


def sends(field: Field) -> Iterator[Row]:
    """`actor.send`, one by one."""
    number = field.plan.sent
    ours, theirs = interleaved(
        field.plan.rounds, *(partial(sent, field, one, "fill", number) for one in (OURS, REDIS_BROKER))
    )
    yield _speeds("enqueue one by one", ours, theirs, "RedisBroker", at_least(1.4))


def bulk_sends(field: Field) -> Iterator[Row]:
    """`enqueue_many`, beside one by one and beside bare Redis commands."""
    plan = field.plan
    single, ready, many, made, bare = interleaved(
        plan.rounds,
        partial(sent, field, OURS, "fill", plan.sent),
        partial(sent, field, BULK, "ready", plan.sent),
        partial(sent, field, BULK, "many", plan.bulk),
        partial(sent, field, BULK, "made", plan.bulk),
        partial(sent, field, BULK, "bare", plan.bulk),
    )
    yield _speeds("enqueue_many of ready messages", many, ready, "broker.enqueue of ready messages", at_least(8))
    yield _speeds("enqueue_many, messages made meanwhile", made, single, "actor.send", None)
    yield _speeds("enqueue_many of ready messages", many, bare, "bare pipelined XADD", at_least(0.5))


def latencies(field: Field) -> Iterator[Row]:
    """From send to start, with an idle worker and a message each 20 ms."""
    contenders = [OURS, REDIS_BROKER] if field.no_peers else [OURS, REDIS_BROKER, HUEY]
    runs: list[list[list[float]]] = [[] for _ in contenders]
    for _ in range(field.plan.rounds):
        for contender, series in zip(contenders, runs, strict=True):
            series.append(delays_ms(field, contender, field.plan.paced, _PACE_S))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        what = f"enqueue to start, each 20 ms, {name}"
        ours, theirs, *huey = ([percentile(delays, share) for delays in series] for series in runs)
        yield _delays(what, ours, theirs, "RedisBroker", at_most(0.15))
        if huey:
            yield _delays(what, ours, huey[0], "huey", at_most(1) if name == "p50" else None)
    if field.no_peers:
        yield Row("enqueue to start, each 20 ms, p50", "", f"huey: {field.no_peers}")


def sparse_latencies(field: Field) -> Iterator[Row]:
    """From send to start, with a worker that has been idle for a while."""
    ours, theirs = (delays_ms(field, one, field.plan.sparse, _SPARSE_S) for one in (OURS, REDIS_BROKER))
    middle = [[statistics.median(delays)] for delays in (ours, theirs)]
    yield _delays("enqueue to start, each 1.5 s, p50", middle[0], middle[1], "RedisBroker", at_most(0.01))


def lateness(field: Field) -> Iterator[Row]:
    """How late delayed messages start while many of them are due: never before their time."""
    plan = field.plan
    ours, theirs = (
        [lateness_ms(field, one, plan.delayed, plan.delayed_s) for _ in range(plan.rounds)]
        for one in (OURS, REDIS_BROKER)
    )
    soonest = min(min(delays) for delays in ours)
    if soonest < -_CLOCKS_MS:
        raise Miscounted(f"a delayed message started {-soonest:.1f} ms before its time")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        mine, yours = (statistics.median(percentile(delays, share) for delays in series) for series in (ours, theirs))
        bar = at_most(50) if name == "p99" else None
        yield Row(
            f"delayed messages start late, {name}", f"{mine:.1f} ms", f"RedisBroker {yours:.1f} ms", mine, bar, "ms"
        )


def memory(field: Field) -> Iterator[Row]:
    """What a waiting message takes in Redis."""
    ours, theirs = (_bytes(field, one) for one in (OURS, REDIS_BROKER))
    yield Row(
        "Redis bytes per waiting message", f"{ours:.0f}", f"RedisBroker {theirs:.0f}", ours / theirs, at_most(0.75)
    )


def scaling(field: Field) -> Iterator[Row]:
    """A second worker process."""
    one, two = interleaved(
        field.plan.rounds, *(partial(shared_speed, field, OURS, field.plan.shared, n) for n in (1, 2))
    )
    yield _speeds("drain, two processes", two, one, "one process", at_least(1.6))


def persistence(field: Field) -> Iterator[Row]:
    """What the append-only file costs, when it is synced every second."""
    plan = field.plan
    runs = {
        "drain, default prefetch": partial(_speed, field, OURS, plan.drained),
        "enqueue one by one": partial(sent, field, OURS, "fill", plan.sent),
    }
    for what, run in runs.items():
        with_file, without = interleaved(
            plan.rounds, partial(_persisted, field, run, True), partial(_persisted, field, run, False)
        )
        yield _speeds(f"{what}, appendfsync everysec", with_file, without, "no append-only file", at_least(0.85))
    field.ground.persist(field.aof)


def idleness(field: Field) -> Iterator[Row]:
    """What a worker takes that has nothing to do."""
    (cpu, commands), (their_cpu, their_commands) = (_idle(field, one) for one in (OURS, REDIS_BROKER))
    yield Row("idle worker, CPU", f"{cpu:.2f} %", f"RedisBroker {their_cpu:.2f} %", cpu, at_most(0.5), "%")
    yield Row(
        "idle worker, Redis commands",
        f"{commands:.1f}/s",
        f"RedisBroker {their_commands:.1f}/s",
        commands,
        at_most(2),
        "/s",
    )


def recovery(field: Field, contender: Contender = OURS) -> Iterator[Row]:
    """How long the messages of a worker are out of reach that was killed by SIGKILL."""
    ground, lost = field.ground, field.plan.lost
    ground.clear()
    with Worker(contender, ground, expected=lost, role="hold", name="victim") as victim:
        play(contender, "fill", ground, lost)
        wait_for_runs(victim, min(lost, 8))
        wait_for(lambda: _pending(field) == lost, "the messages in the victim's hands")
        victim.kill()
        killed = time.monotonic()
        with Worker(contender, ground, expected=lost) as heir:
            report = wait_for_runs(heir, lost, patience_s=field.plan.patience_s)
    seconds = max(report.started) - killed
    what = f"recovery of {lost} messages after kill -9"
    yield Row(what, f"{seconds:.1f} s", "RedisBroker not measured", seconds, at_most(30), "s")


def peer_drains(field: Field) -> Iterator[Row]:
    """Emptying a full queue: other projects' queues beside ours."""
    if field.no_peers:
        yield Row("drain, default prefetch", "", f"other projects: {field.no_peers}")
        return
    for peer in PEERS:
        yield _against(field, peer)
    try:
        with rabbitmq.node():
            yield _against(field, RABBITMQ)
    except (rabbitmq.NotInstalled, TimeoutError) as error:
        yield Row("drain, default prefetch", "", f"{RABBITMQ.name}: {error}")


def _against(field: Field, peer: Contender) -> Row:
    number = field.plan.drained_by_peers
    try:
        ours, theirs = interleaved(field.plan.rounds, *(partial(_speed, field, one, number) for one in (OURS, peer)))
    except (ProgramFailed, Miscounted, TimeoutError) as error:
        return Row("drain, default prefetch", "", f"{peer.name}: {error}")
    return _speeds("drain, default prefetch", ours, theirs, peer.name, at_least(1))


MEASURES: dict[str, Measure] = {
    "drain": drains,
    "deep-drain": deep_drains,
    "enqueue": sends,
    "bulk": bulk_sends,
    "latency": latencies,
    "sparse": sparse_latencies,
    "lateness": lateness,
    "memory": memory,
    "scaling": scaling,
    "persistence": persistence,
    "idle": idleness,
    "recovery": recovery,
    "peers": peer_drains,
}


def _drained(field: Field, contenders: list[Contender], *, prefetch: int) -> list[list[Drain]]:
    number = field.plan.drained
    rounds = [
        [drain(field, contender, number, prefetch=prefetch) for contender in contenders]
        for _ in range(field.plan.rounds)
    ]
    return [list(column) for column in zip(*rounds, strict=True)]


def _speed(field: Field, contender: Contender, number: int) -> float:
    return drain(field, contender, number).per_s


def _persisted(field: Field, run: Callable[[], float], every_second: bool) -> float:
    field.ground.clear()
    field.ground.persist(every_second)
    return run()


def _bytes(field: Field, contender: Contender) -> float:
    field.ground.clear()
    before = field.ground.used_bytes
    number = field.plan.waiting
    play(contender, "fill", field.ground, number)
    return (field.ground.used_bytes - before) / number


def _idle(field: Field, contender: Contender) -> tuple[float, float]:
    """Return the worker's CPU in per cent of one core, and the commands that Redis got a second."""
    field.ground.clear()
    with Worker(contender, field.ground, expected=1) as worker:
        play(contender, "pace", field.ground, 1, 0)
        before, begun = wait_for_runs(worker, 1), time.monotonic()
        commands = field.ground.commands(field.plan.idle_s)
        after, ended = worker.report(), time.monotonic()
    return (after.cpu_s - before.cpu_s) / (ended - begun) * 100, commands / field.plan.idle_s


def _pending(field: Field) -> int:
    groups = field.ground.client.xinfo_groups("default")
    return sum(int(group["pending"]) for group in groups)


def _rates(what: str, ours: list[Drain], theirs: list[Drain], other: Contender, bar: Bar | None) -> Row:
    return _speeds(what, [one.per_s for one in ours], [one.per_s for one in theirs], other.name, bar)


def _speeds(what: str, ours: list[float], theirs: list[float], other: str, bar: Bar | None) -> Row:
    mine, yours = statistics.median(ours), statistics.median(theirs)
    return Row(what, f"{mine:,.0f}/s", f"{other} {yours:,.0f}/s", ratio(ours, theirs), bar)


def _delays(what: str, ours: list[float], theirs: list[float], other: str, bar: Bar | None) -> Row:
    mine, yours = statistics.median(ours), statistics.median(theirs)
    return Row(what, f"{mine:.2f} ms", f"{other} {yours:.2f} ms", ratio(ours, theirs), bar)
