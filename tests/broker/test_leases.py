"""Leases: kept while a process lives, taken over when it does not, in one process and with short leases."""

import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.middleware import Middleware, SkipMessage

from broker import RedisStreamsBroker
from tests.broker.consumers import fetch, fetch_many
from tests.broker.looks import consumers, dead_letters, pending
from tests.broker.servers import Server, wait_for

#: Short enough to wait for. Where a lease must hold on a busy machine, tests take a longer one.
LEASE_MS = 300


@pytest.fixture
def process(server: Server, open_broker: Callable[..., RedisStreamsBroker]) -> Callable[..., RedisStreamsBroker]:
    """Make brokers that share a queue, as processes of their own would."""

    def make(**options: Any) -> RedisStreamsBroker:
        broker = open_broker(server.url, **{"lease_ms": LEASE_MS, **options})
        dramatiq.actor(broker=broker, actor_name="note")(lambda number: None)
        return broker

    return make


def send(broker: RedisStreamsBroker, *numbers: int) -> None:
    """Send a message for each number."""
    for number in numbers:
        broker.get_actor("note").send(number)


def die(broker: RedisStreamsBroker) -> None:
    """From now on the broker's process renews nothing, like a dead one."""
    broker._process.keeper.stop()


def test_orphans_are_found_behind_any_number_of_healthy_messages(process: Callable[..., RedisStreamsBroker]) -> None:
    healthy, dead, other = process(lease_ms=3_000), process(lease_ms=3_000), process(lease_ms=3_000)
    send(healthy, *range(1_200))
    held = healthy.consume("default", prefetch=1_200, timeout=20)
    fetch_many(held, 1_200)
    send(dead, *range(5_000, 5_005))
    orphaned = dead.consume("default", prefetch=5, timeout=20)
    fetch_many(orphaned, 5)

    die(dead)
    rescuer = other.consume("default", prefetch=3, timeout=20)
    found = []
    for _ in range(5):
        message = fetch(rescuer)
        found.append(message.args[0])
        rescuer.ack(message)

    assert sorted(found) == list(range(5_000, 5_005))
    assert len(healthy._process.holdings["default"].held()) == 1_200
    rescuer.close()


def test_a_full_consumer_takes_over_no_more_than_it_may_hold(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    dead, other = process(), process()
    send(dead, *range(6))
    orphaned = dead.consume("default", prefetch=6, timeout=20)
    fetch_many(orphaned, 6)

    die(dead)
    rescuer = other.consume("default", prefetch=2, timeout=20)
    fetch(rescuer)
    fetch(rescuer)

    assert next(rescuer) is None
    assert pending(redis_client, other)[other._process.name] == 2
    rescuer.close()


def test_orphans_come_before_new_messages(process: Callable[..., RedisStreamsBroker]) -> None:
    dead, other = process(), process()
    send(dead, 1)
    fetch(dead.consume("default", timeout=20))
    die(dead)
    send(other, *range(100, 300))
    rescuer = other.consume("default", prefetch=1, timeout=20)
    seen: list[int] = []

    def work() -> bool:
        message = fetch(rescuer)
        time.sleep(0.02)
        rescuer.ack(message)
        seen.append(message.args[0])
        return 1 in seen

    wait_for(work)
    assert len(seen) < 201
    rescuer.close()


def test_a_message_is_never_taken_from_its_own_living_process(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker = process()
    send(broker, 1)
    consumer = broker.consume("default", prefetch=10, timeout=20)
    fetch(consumer)

    until = time.monotonic() + 3 * LEASE_MS / 1000
    while time.monotonic() < until:
        assert next(consumer) is None

    assert sum(pending(redis_client, broker).values()) == 1
    consumer.close()


def test_leases_are_renewed_while_a_worker_drains_and_while_it_is_paused(
    process: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)
    runs, release = [], threading.Event()
    broker, other = process(lease_ms=3_000), process(lease_ms=3_000)

    def hold() -> None:
        runs.append(1)
        release.wait(10)

    for one in (broker, other):
        dramatiq.actor(broker=one, actor_name="hold")(hold)
    broker.get_actor("hold").send()
    worker = start_worker(broker, threads=1)
    wait_for(lambda: runs)
    for consumer in worker.consumers.values():
        consumer.pause()
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    start_worker(other)

    # Nothing to wait for: what must not happen would, within a lease and a sweep.
    time.sleep(5.1)
    release.set()

    stopping.join(10)
    broker.join("default", timeout=5_000)
    assert runs == [1]


def test_what_was_only_prefetched_beside_a_killer_is_not_counted(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    killer, bystander = 1, 2
    entry_ids: dict[int, bytes] = {}
    send(process(), killer, bystander)

    for _ in range(6):
        broker = process(max_starts=100, lease_ms=100)
        consumer = broker.consume("default", prefetch=2, timeout=20)
        fetched: dict[int, Any] = {}
        while len(fetched) < 2:
            message: Any = fetch(consumer)
            fetched[message.args[0]] = message
            entry_ids[message.args[0]] = message.entry_id
            if message.args[0] == killer:
                broker.emit_before("process_message", message)
        die(broker)

    starts: Any = redis_client.hgetall(process().keys("default").starts)
    assert starts == {entry_ids[killer]: b"5", entry_ids[bystander]: b"0"}


def test_what_ran_beside_a_killer_is_tried_alone_and_lives(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    killer, innocent = 1, 2
    buried: list[int] = []
    done: list[int] = []
    send(process(), killer, innocent)

    def live() -> None:
        """Start at once all that there is; die if the killer is among it, else finish it."""
        broker = process(max_starts=3, lease_ms=100)
        consumer = broker.consume("default", prefetch=2, timeout=20)
        while len(buried) + len(done) < 2:
            started = [fetch(consumer)]
            while (more := next(consumer)) is not None:
                started.append(more)
            for message in list(started):
                try:
                    broker.emit_before("process_message", message)
                except SkipMessage:
                    consumer.nack(message)
                    buried.append(message.args[0])
                    started.remove(message)
            if killer in [message.args[0] for message in started]:
                die(broker)
                return
            for message in started:
                consumer.ack(message)
                done.append(message.args[0])

    while not buried or not done:
        live()

    assert (buried, done) == ([killer], [innocent])
    assert [letter["reason"] for letter in dead_letters(redis_client, process())] == [b"poison"]


def test_poison_is_heard_of_by_middleware(
    process: Callable[..., RedisStreamsBroker], start_worker: Callable[..., dramatiq.Worker]
) -> None:
    rejected = []

    class Listener(Middleware):
        def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
            rejected.append(str(message._exception))

    dead, other = process(), process(max_starts=1)
    other.add_middleware(Listener())
    send(dead, 1)
    fetch(dead.consume("default", timeout=20))
    die(dead)

    start_worker(other)

    wait_for(lambda: rejected)
    assert "without ending" in rejected[0]


def test_a_task_that_hangs_past_its_time_limit_is_offered_to_others(
    process: Callable[..., RedisStreamsBroker], start_worker: Callable[..., dramatiq.Worker], redis_client: redis.Redis
) -> None:
    runs, release = [], threading.Event()
    # The second run must be over before it is held to hang, too.
    broker = process(hang_grace_ms=600)

    @dramatiq.actor(broker=broker, time_limit=100)
    def hang() -> None:
        runs.append(1)
        if len(runs) == 1:
            release.wait(10)
            raise RuntimeError("too late")

    hang.send()
    start_worker(broker, threads=2)

    wait_for(lambda: len(runs) == 2, what="the second run, in the same process")
    broker.join("default", timeout=5_000)
    release.set()
    wait_for(lambda: broker._process.holdings["default"].empty)
    broker.join("default", timeout=1_000)
    assert len(runs) == 2
    assert dead_letters(redis_client, broker) == []


def test_a_task_without_a_time_limit_is_never_let_go(
    process: Callable[..., RedisStreamsBroker], start_worker: Callable[..., dramatiq.Worker]
) -> None:
    runs, release = [], threading.Event()
    broker = process(hang_grace_ms=10)

    @dramatiq.actor(broker=broker, time_limit=float("inf"))
    def endless() -> None:
        runs.append(1)
        release.wait(10)

    broker.enqueue(endless.message())
    start_worker(broker, threads=2)
    wait_for(lambda: runs)
    (message,) = broker._process.holdings["default"].held()
    first = message.leased_at

    wait_for(lambda: message.leased_at > first, what="a renewal")
    release.set()

    broker.join("default", timeout=5_000)
    assert runs == [1]


def test_names_of_dead_processes_are_removed_when_they_hold_nothing(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.consumer._ABSENT_MS", 200)
    dead, other = process(), process()
    send(dead, 1)
    message = fetch(dead.consume("default", timeout=20))
    die(dead)

    rescuer = other.consume("default", timeout=20)
    taken = fetch(rescuer)
    assert taken.message_id == message.message_id

    wait_for(lambda: next(rescuer) is None and consumers(redis_client, other) == {other._process.name})
    rescuer.close()


def test_handed_back_messages_that_nobody_took_for_long_were_not_started(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    leaving, dead, other = process(), process(), process()
    send(leaving, 1)
    consumer = leaving.consume("default", timeout=20)
    consumer.requeue([fetch(consumer)])
    consumer.close()
    send(dead, 2)
    orphaned = dead.consume("default", timeout=20)
    # It takes what was handed back before anything new.
    handed: Any = fetch(orphaned)
    orphaned.requeue([handed])
    die(dead)

    wait_for(lambda: lease_ages(redis_client, other) == [True], what="a lease running out where it waits")
    rescuer = other.consume("default", prefetch=2, timeout=20)
    taken: Any = fetch(rescuer)

    assert (taken.args, taken.starts) == ((1,), None)
    rescuer.close()


def lease_ages(client: redis.Redis, broker: RedisStreamsBroker) -> list[bool]:
    """Tell of every pending entry whether its lease ran out."""
    found: Any = client.xpending_range(broker.keys("default").stream, "workers", "-", "+", 100)
    return [one["time_since_delivered"] > LEASE_MS for one in found]


def test_a_sweep_renews_what_its_own_process_holds_and_takes_only_what_others_left(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker, dead = process(), process()
    send(broker, 1, 2)
    mine = broker.consume("default", prefetch=10, timeout=20)
    next(mine)
    die(broker)
    send(dead, 3)
    fetch(dead.consume("default", timeout=20))
    die(dead)
    wait_for(lambda: len(lease_ages(redis_client, broker)) == 3 and all(lease_ages(redis_client, broker)))

    assert [fetch(mine).args[0], fetch(mine).args[0]] == [2, 3]
    assert pending(redis_client, broker) == {broker._process.name: 3}
    mine.close()


def test_more_orphans_than_a_process_may_hold_are_left_to_others_at_once(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    # Nobody may take from the living what a pause of the machine kept them from renewing.
    dead, one, other = process(lease_ms=2_000), process(lease_ms=2_000), process(lease_ms=2_000)
    send(dead, *range(150))
    orphaned = dead.consume("default", prefetch=150, timeout=20)
    fetch_many(orphaned, 150)
    die(dead)
    first = one.consume("default", prefetch=5, timeout=20)
    fetch(first)

    second = other.consume("default", prefetch=10, timeout=20)
    taken: Any = fetch(second)

    assert taken.starts == 0, "it may be what killed its worker"
    held = pending(redis_client, other)
    assert held[one._process.name] == 5
    assert held[other._process.name] == 10
    first.close()
    second.close()


def test_orphans_that_were_deleted_are_forgotten(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    dead, other = process(), process()
    send(dead, 1, 2)
    orphaned = dead.consume("default", prefetch=2, timeout=20)
    gone: Any = fetch(orphaned)
    fetch(orphaned)
    redis_client.xdel("default", gone.entry_id)
    die(dead)

    rescuer = other.consume("default", prefetch=2, timeout=20)

    assert fetch(rescuer).args == (2,)
    wait_for(lambda: next(rescuer) is None and pending(redis_client, other) == {other._process.name: 1})
    rescuer.close()


def test_a_living_process_is_on_record_until_it_leaves(
    process: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker = process()
    alive, name = broker.keys("default").alive, broker._process.name
    consumer = broker.consume("default", timeout=20)
    next(consumer)
    first = redis_client.zscore(alive, name)
    assert first is not None

    # Nobody reads: the keeper alone tells of it.
    wait_for(lambda: (redis_client.zscore(alive, name) or 0) > first, what="a renewal")

    consumer.close()
    assert redis_client.zscore(alive, name) is None
