"""Lanes: what is urgent starts before what is not, and everything comes back where it belongs."""

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import QueueJoinTimeout

from broker import RedisStreamsBroker
from broker.keys import GROUP, SHELF
from tests.broker.consumers import fetch
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for


@pytest.fixture
def open_known(server: Server, open_broker: Callable[..., RedisStreamsBroker]) -> Callable[..., RedisStreamsBroker]:
    """Open brokers that know the actors of these tests and share the server, as processes would."""

    def open_one(**options: Any) -> RedisStreamsBroker:
        broker = open_broker(server.url, **options)
        for name, priority in (("usual", 0), ("urgent", -10), ("bulk", 10)):
            dramatiq.actor(broker=broker, actor_name=name, priority=priority)(lambda: None)
        return broker

    return open_one


def lengths(client: redis.Redis, broker: RedisStreamsBroker) -> list[int]:
    """Return how many entries are in each lane, the most urgent first."""
    return [int(client.xlen(lane)) for lane in broker.keys("default").lanes]


@pytest.mark.parametrize(
    ("actor", "options", "expected"),
    [
        ("usual", {}, [0, 1, 0]),
        ("urgent", {}, [1, 0, 0]),
        ("bulk", {}, [0, 0, 1]),
        ("bulk", {"priority": -1}, [1, 0, 0]),
        ("urgent", {"priority": 0}, [0, 1, 0]),
        ("unknown", {"priority": 3}, [0, 0, 1]),
    ],
)
def test_a_messages_own_priority_decides_on_its_lane_and_else_its_actors(
    open_known: Callable[..., RedisStreamsBroker],
    redis_client: redis.Redis,
    actor: str,
    options: dict[str, Any],
    expected: list[int],
) -> None:
    broker = open_known()

    broker.enqueue(message(actor, **options))

    assert lengths(redis_client, broker) == expected


def test_an_urgent_message_comes_before_a_thousand_others_in_every_process(
    open_known: Callable[..., RedisStreamsBroker],
) -> None:
    one, other = open_known(), open_known()
    for _ in range(1_000):
        one.enqueue(message("bulk"))
    one.enqueue(message("usual"))
    consumers = [broker.consume("default", prefetch=1, timeout=20) for broker in (one, other)]
    for consumer in consumers:
        consumer.ack(fetch(consumer))

    for name in ("first", "second"):
        one.enqueue(message("urgent", name))

    assert {fetch(consumer).args for consumer in consumers} == {("first",), ("second",)}
    for consumer in consumers:
        consumer.close()


def test_a_delayed_message_comes_due_in_its_own_lane(
    open_known: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker = open_known()
    broker.pause("default")
    consumer = broker.consume("default", timeout=20)

    broker.enqueue(message("urgent"), delay=10)
    broker.enqueue(message("bulk"), delay=10)

    wait_for(lambda: next(consumer) is None and lengths(redis_client, broker)[::2] == [1, 1], what="promotion")
    consumer.close()


def test_a_retry_stays_in_its_lane(open_known: Callable[..., RedisStreamsBroker], redis_client: redis.Redis) -> None:
    broker = open_known()
    broker.enqueue(message("bulk"))
    consumer = broker.consume("default", timeout=20)
    failed = fetch(consumer)

    broker.enqueue(failed, delay=50)  # a proxy, as Dramatiq's own Retries does it
    consumer.ack(failed)

    again: Any = fetch(consumer)
    assert again.message_id == failed.message_id
    assert again.entry_id.startswith(b"b")
    consumer.ack(again)
    consumer.close()
    assert lengths(redis_client, broker) == [0, 0, 0]


def test_entries_of_the_same_id_in_two_lanes_are_kept_apart(
    open_known: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker = open_known()
    urgent, usual, _ = broker.keys("default").lanes
    for lane, actor in ((urgent, "urgent"), (usual, "usual")):
        redis_client.xadd(lane, {b"m": message(actor).encode()}, id="1-1")
    consumer = broker.consume("default", prefetch=2, timeout=20)
    first, second = fetch(consumer), fetch(consumer)

    consumer.ack(first)
    wait_for(lambda: next(consumer) is None and lengths(redis_client, broker) == [0, 1, 0])

    consumer.ack(second)
    consumer.close()
    assert [first.actor_name, second.actor_name] == ["urgent", "usual"]
    assert lengths(redis_client, broker) == [0, 0, 0]


def test_what_a_dead_process_held_is_taken_over_in_all_lanes(open_known: Callable[..., RedisStreamsBroker]) -> None:
    dead, other = open_known(lease_ms=300), open_known(lease_ms=300)
    for actor in ("bulk", "usual", "urgent"):
        dead.enqueue(message(actor))
    orphaned = dead.consume("default", prefetch=3, timeout=20)
    for _ in range(3):
        fetch(orphaned)

    dead._process.keeper.stop()
    rescuer = other.consume("default", prefetch=3, timeout=20)
    found = []
    for _ in range(3):
        taken: Any = fetch(rescuer)
        assert taken.starts == 0, "it is a case for counting"
        found.append(taken.actor_name)
        rescuer.ack(taken)

    assert found == ["urgent", "usual", "bulk"]
    rescuer.close()
    other.join("default", timeout=5_000)


def test_a_reader_that_hears_of_more_than_it_may_hold_leaves_the_rest_to_others(
    open_known: Callable[..., RedisStreamsBroker],
) -> None:
    one, other = open_known(), open_known()
    reader: Any = one.consume("default", prefetch=1, timeout=20)
    assert next(reader) is None
    for actor in ("bulk", "usual", "urgent"):
        one.enqueue(message(actor))

    # As when all lanes get something between a look at them and this call.
    reader._listen(1)

    assert [held.actor_name for held in one._process.holdings["default"].held()] == ["urgent"]
    others = other.consume("default", prefetch=2, timeout=20)
    assert {fetch(others).actor_name, fetch(others).actor_name} == {"usual", "bulk"}
    reader.close()
    others.close()


def test_what_is_handed_back_waits_in_its_lane(
    open_known: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    leaving, other = open_known(), open_known()
    leaving.enqueue(message("bulk", 1))
    consumer = leaving.consume("default", timeout=20)
    consumer.requeue([fetch(consumer)])
    consumer.close()

    pending: Any = redis_client.xpending_range(leaving.keys("default").bulk, GROUP.decode(), "-", "+", 10)
    assert [one["consumer"] for one in pending] == [SHELF]
    other.enqueue(message("bulk", 2))
    heir = other.consume("default", prefetch=2, timeout=20)
    taken: Any = fetch(heir)
    assert taken.args == (1,)
    assert taken.starts is None, "it was never started"
    heir.close()


def test_join_counts_and_flush_empties_all_lanes(
    open_known: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker = open_known()
    for actor in ("urgent", "bulk"):
        broker.enqueue(message(actor))
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)

    broker.flush("default")

    assert lengths(redis_client, broker) == [0, 0, 0]
    broker.join("default", timeout=50)


def test_a_blocked_consumer_takes_no_more_than_it_may_hold_from_all_lanes_together(
    open_known: Callable[..., RedisStreamsBroker], redis_client: redis.Redis
) -> None:
    broker = open_known()
    consumer = broker.consume("default", prefetch=4, timeout=20)
    next(consumer)

    with redis_client.pipeline() as sending:
        for lane in broker.keys("default").lanes:
            for _ in range(5):
                sending.xadd(lane, {b"m": message("usual").encode()})
        sending.execute()
    for _ in range(4):
        fetch(consumer)

    assert next(consumer) is None
    assert len(broker._process.holdings["default"].held()) == 4
    consumer.close()
