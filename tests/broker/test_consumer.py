"""The consumer by itself: what it fetches, holds, settles and hands back."""

import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.broker import MessageProxy
from dramatiq.message import Message

from broker import RedisStreamsBroker
from broker.keys import SHELF, lane_mark
from tests.broker.conftest import Note
from tests.broker.consumers import fetch, fetch_many
from tests.broker.looks import consumers, dead_letters, pending
from tests.broker.servers import Server, wait_for


def args(messages: list[MessageProxy]) -> list[int]:
    """Return the first argument of each."""
    return [message.args[0] for message in messages]


def test_it_never_holds_more_than_its_prefetch(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    for number in range(10):
        note.send(number)
    consumer = broker.consume("default", prefetch=3, timeout=20)

    held = [fetch(consumer) for _ in range(3)]

    assert next(consumer) is None
    assert sum(pending(redis_client, broker).values()) == 3
    consumer.ack(held[0])
    assert args([fetch(consumer)]) == [3]
    assert next(consumer) is None
    consumer.close()


def test_an_acknowledged_message_leaves_nothing_behind(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    note.send(1)
    consumer = broker.consume("default", timeout=20)

    consumer.ack(fetch(consumer))

    assert redis_client.xlen("default") == 0
    assert pending(redis_client, broker) == {}
    consumer.close()


def test_an_idle_consumer_returns_after_its_timeout(broker: RedisStreamsBroker, note: Note) -> None:
    consumer = broker.consume("default", timeout=100)
    assert next(consumer) is None

    def idle() -> float:
        began = time.monotonic()
        assert next(consumer) is None
        return time.monotonic() - began

    took = [idle() for _ in range(5)]

    assert 0.09 < min(took) < 0.5
    consumer.close()


def test_it_is_woken_by_a_message(broker: RedisStreamsBroker, note: Note) -> None:
    consumer = broker.consume("default", timeout=1_000)
    assert next(consumer) is None
    latencies = []
    sent: list[float] = []

    def send() -> None:
        sent.append(time.monotonic())
        note.send(1)

    for _ in range(9):
        threading.Timer(0.05, send).start()

        message = fetch(consumer)

        latencies.append(time.monotonic() - sent[-1])
        consumer.ack(message)

    # Asking again and again would be as quick by chance, and not so often.
    assert sorted(latencies)[3] < 0.02
    consumer.close()


def test_settling_the_same_message_again_does_nothing(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    note.send(1)
    consumer = broker.consume("default", timeout=20)
    message = fetch(consumer)
    consumer.ack(message)

    consumer.nack(message)

    assert dead_letters(redis_client, broker) == []
    consumer.close()


def test_a_message_of_another_broker_is_refused(broker: RedisStreamsBroker, note: Note) -> None:
    consumer = broker.consume("default", timeout=20)

    with pytest.raises(TypeError, match="not fetched"):
        consumer.ack(MessageProxy(note.message(1)))
    consumer.close()


def test_a_new_consumer_settles_what_its_predecessor_fetched(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    note.send(1)
    note.send(2)
    first = broker.consume("default", prefetch=1, timeout=20)
    message = fetch(first)
    first.close()

    second = broker.consume("default", prefetch=1, timeout=20)
    assert next(second) is None, "the predecessor's message counts as held"
    second.ack(message)

    assert args([fetch(second)]) == [2]
    assert sum(pending(redis_client, broker).values()) == 1
    second.close()


def test_requeued_messages_go_to_the_next_consumer_at_once_and_before_new_ones(
    server: Server, broker: RedisStreamsBroker, note: Note, open_broker: Callable[..., Any]
) -> None:
    for number in range(4):
        note.send(number)
    leaving = broker.consume("default", prefetch=3, timeout=20)
    held = [fetch(leaving) for _ in range(3)]
    other = open_broker(server.url)
    other.actors = broker.actors
    other.declare_queue("default")
    staying = other.consume("default", prefetch=4, timeout=1_000)
    began = time.monotonic()

    leaving.requeue(held)
    taken = [fetch(staying) for _ in range(4)]

    assert args(taken) == [0, 1, 2, 3]
    assert time.monotonic() - began < 10, "nobody waits for a lease of 15 seconds"
    assert all(message.starts is None for message in taken), "an unstarted message has no starts to count"
    leaving.close()
    staying.close()


def test_a_requeue_wakes_a_consumer_that_waits(
    server: Server,
    broker: RedisStreamsBroker,
    note: Note,
    open_broker: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Half of a connection's patience of 5 s is the longest that a reader blocks then.
    monkeypatch.setattr("broker.consumer._BLOCK_MS", 5_000)
    note.send(1)
    leaving = broker.consume("default", timeout=20)
    held = fetch(leaving)
    other = open_broker(server.url)
    other.actors = broker.actors
    other.declare_queue("default")
    staying = other.consume("default", prefetch=4, timeout=5_000)
    requeued_at = []

    def requeue() -> None:
        requeued_at.append(time.monotonic())
        leaving.requeue([held])

    threading.Timer(0.2, requeue).start()
    fetch(staying)

    assert time.monotonic() - requeued_at[0] < 1.5
    leaving.close()
    staying.close()


def test_closing_hands_back_what_no_worker_was_given(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    for number in range(3):
        note.send(number)
    consumer = broker.consume("default", prefetch=3, timeout=20)
    given = fetch(consumer)

    consumer.close()

    assert pending(redis_client, broker)[SHELF] == 2
    again = broker.consume("default", prefetch=3, timeout=20)
    assert args([given, fetch(again), fetch(again)]) == [0, 1, 2]
    consumer.close()
    again.close()


def test_closing_removes_a_consumer_only_when_it_holds_nothing(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    note.send(1)
    consumer = broker.consume("default", timeout=20)
    message = fetch(consumer)

    consumer.close()
    assert len(consumers(redis_client, broker)) == 1
    assert sum(pending(redis_client, broker).values()) == 1

    again = broker.consume("default", timeout=20)
    again.ack(message)
    again.close()
    again.close()
    assert consumers(redis_client, broker) == set()


def test_worker_threads_leave_their_acks_to_the_reader(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], redis_client: redis.Redis
) -> None:
    @dramatiq.actor
    def nothing() -> None:
        pass

    for _ in range(500):
        nothing.send()
    redis_client.config_resetstat()

    start_worker(broker)
    broker.join("default", timeout=20_000)

    calls: Any = redis_client.info("commandstats")
    assert calls["cmdstat_xack"]["calls"] < 300


def test_what_ends_while_another_thread_settles_waits_for_no_script_of_its_own(
    broker: RedisStreamsBroker, note: Note, redis_client: redis.Redis
) -> None:
    for number in range(3):
        note.send(number)
    consumer = broker.consume("default", prefetch=3, timeout=20)
    messages = fetch_many(consumer, 3)
    redis_client.config_resetstat()

    with broker._process.holding("default").seat:
        consumer.ack(messages[0])
        consumer.ack(messages[1])
    consumer.ack(messages[2])

    calls: Any = redis_client.info("commandstats")
    assert calls["cmdstat_xack"]["calls"] == 1
    assert not pending(redis_client, broker)


@pytest.mark.parametrize("priority", [-1, 0, 1])
def test_messages_that_end_before_older_ones_are_settled(
    broker: RedisStreamsBroker, note: dramatiq.Actor[[int], None], redis_client: redis.Redis, priority: int
) -> None:
    for number in range(10):
        note.send_with_options(args=(number,), priority=priority)
    consumer = broker.consume("default", prefetch=10, timeout=20)
    messages = [fetch(consumer) for _ in range(10)]

    consumer.ack(messages[9])
    consumer.ack(messages[8])
    consumer.close()

    left: Any = redis_client.xrange(broker.keys("default").lane(lane_mark(priority)))
    assert [entry_id for entry_id, _ in left] == [message.entry_id.lstrip(b"ub") for message in messages[:8]]


def test_an_idle_queue_costs_redis_next_to_nothing(
    broker: RedisStreamsBroker,
    note: Note,
    start_worker: Callable[..., dramatiq.Worker],
    redis_client: redis.Redis,
) -> None:
    redis_client.config_resetstat()
    start_worker(broker, timeout_ms=1_000)
    wait_for(lambda: "cmdstat_xpending" in redis_client.info("commandstats"), what="the first sweep")
    wait_for(lambda: any(one["cmd"] == "xreadgroup" for one in redis_client.client_list()), what="blocking")

    def commands_a_second() -> float:
        first: Any = redis_client.info("stats")
        began = time.monotonic()
        time.sleep(2.2)
        second: Any = redis_client.info("stats")
        # One of them is this test's own INFO.
        commands = second["total_commands_processed"] - first["total_commands_processed"] - 1
        return float(commands / (time.monotonic() - began))

    # What belongs to the start may still be going on.
    wait_for(lambda: commands_a_second() <= 2, what="rest")


def test_an_entry_that_is_no_message_is_dead_lettered_with_its_bytes(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, note: Note, redis_client: redis.Redis
) -> None:
    wrong = Message("default", "note", (), {}, {}).encode().replace(b'"options":{}', b'"options":[]')
    redis_client.xadd("default", {b"m": b"\xff\x00 nonsense"})
    redis_client.xadd("default", {b"m": wrong})
    redis_client.xadd("default", {b"strange": b"\xfe", b"stranger": b"field"})

    note.send(1)
    broker.join("default", timeout=10_000)

    letters = dead_letters(redis_client, broker)
    assert [letter["reason"] for letter in letters] == [b"undecodable"] * 3
    assert [letter["message"] for letter in letters] == [b"\xff\x00 nonsense", wrong, b"strange \xfe stranger field"]
    assert letters[0]["error"] != b""


def test_an_entry_that_was_deleted_under_its_consumer_is_forgotten(
    server: Server,
    broker: RedisStreamsBroker,
    note: Note,
    redis_client: redis.Redis,
    open_broker: Callable[..., Any],
) -> None:
    note.send(1)
    dead = broker.consume("default", timeout=20)
    message: Any = fetch(dead)
    broker._process.keeper.stop()
    redis_client.xdel("default", message.entry_id)
    other = open_broker(server.url, lease_ms=50)
    other.actors = broker.actors
    other.declare_queue("default")
    consumer = other.consume("default", timeout=20)

    wait_for(lambda: next(consumer) is None and pending(redis_client, other) == {})
    consumer.close()


@pytest.mark.parametrize(("options", "most_s"), [({}, 0.001), ({"batch": 8}, 0.01)])
def test_a_reader_that_was_woken_rests_once_until_what_it_handed_out_is_done(
    broker: RedisStreamsBroker, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], most_s: float
) -> None:
    @dramatiq.actor(broker=broker, **options)
    def quick(*_: Any) -> list[Any]:
        return []

    consumer: Any = broker.consume("default", timeout=20)
    assert next(consumer) is None
    rests: list[tuple[int, float]] = []
    monkeypatch.setattr(consumer.holding, "wait_below", lambda number, seconds: rests.append((number, seconds)))
    quick.send()

    message = fetch(consumer)

    assert rests == []
    assert [next(consumer), next(consumer)] == [None, None]
    assert rests == [(1, most_s)]
    consumer.ack(message)
    consumer.close()


def test_who_waits_for_fewer_to_be_held_goes_on_as_soon_as_one_is_done(broker: RedisStreamsBroker, note: Note) -> None:
    consumer: Any = broker.consume("default", prefetch=2, timeout=20)
    note.send(1)
    note.send(2)
    first, second = fetch_many(consumer, 2)
    waiter = threading.Thread(target=consumer.holding.wait_below, args=(2, 60), daemon=True)
    waiter.start()
    time.sleep(0.05)
    assert waiter.is_alive()

    consumer.ack(first)

    waiter.join(30)
    assert not waiter.is_alive()
    consumer.ack(second)
    consumer.close()
