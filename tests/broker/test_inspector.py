"""The inspector: counts, pages and workers, and that none of it becomes slower as queues grow."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis

from broker import RedisStreamsBroker
from broker.inspector import Inspector
from broker.keys import GROUP
from broker.listing import Listed, Page
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for


@pytest.fixture
def inspector(broker: RedisStreamsBroker) -> Inspector:
    """An inspector over the broker's server."""
    return Inspector(broker.client)


def all_of(look: Callable[[str | None], Page[Any]]) -> Iterator[Any]:
    """Return all items of all pages."""
    cursor = None
    while True:
        page = look(cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def numbers(found: Iterator[Listed]) -> list[int]:
    """Return the first argument of each message."""
    return [one.message.args[0] for one in found if one.message is not None]


def test_a_queue_that_was_never_used_is_empty_and_not_listed(inspector: Inspector) -> None:
    status = inspector.queue("default")

    assert (status.waiting, status.in_flight, status.delayed, status.dead) == (0, 0, 0, 0)
    assert status.oldest_ms is None
    assert status.due_ms is None
    assert status.in_rate is None
    assert inspector.queues() == []


def test_a_queue_is_listed_once_it_is_sent_to(broker: RedisStreamsBroker, inspector: Inspector) -> None:
    broker.enqueue(message("work"))
    broker.enqueue(message("work", queue="other"), delay=60_000)

    assert inspector.names() == ["default", "other"]
    assert [(one.name, one.waiting, one.delayed) for one in inspector.queues()] == [("default", 1, 0), ("other", 0, 1)]


def test_a_queue_is_listed_once_it_is_consumed(
    broker: RedisStreamsBroker, inspector: Inspector, start_worker: Callable[..., Any]
) -> None:
    broker.declare_queue("default")

    start_worker(broker)

    wait_for(lambda: inspector.names() == ["default"])


def test_namespaces_know_nothing_of_each_other(server: Server, open_broker: Callable[..., Any]) -> None:
    ours = open_broker(server.url, namespace="ours")
    ours.enqueue(message("work"))

    assert Inspector(ours.client, "ours").names() == ["default"]
    assert Inspector(ours.client, "ours").queue("default").waiting == 1
    assert Inspector(ours.client).names() == []


def test_all_lanes_are_counted_and_the_oldest_message_of_any_is_the_oldest(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    old_ms = redis_client.time()[0] * 1000 - 60_000
    redis_client.xadd(broker.keys("default").bulk, {"m": message("work").encode()}, id=f"{old_ms}-1")
    broker.enqueue(message("work"))
    broker.enqueue(message("work", priority=-1))

    status = inspector.queue("default")

    assert status.waiting == 3
    assert status.lanes == {"urgent": 1, "default": 1, "bulk": 1}
    assert status.oldest_ms is not None
    assert 60_000 <= status.oldest_ms < 70_000


def test_what_a_worker_fetched_is_in_flight_and_shown_with_it(
    broker: RedisStreamsBroker, inspector: Inspector, start_worker: Callable[..., Any]
) -> None:
    go = threading.Event()

    @dramatiq.actor
    def hold(number: int) -> None:
        go.wait(10)

    sent = hold.send(1)
    try:
        start_worker(broker, threads=1)
        wait_for(lambda: inspector.queue("default").in_flight == 1)
        (worker,) = inspector.workers()
        (listed,) = inspector.peek("default").items
    finally:
        go.set()

    assert worker.alive
    assert worker.pid is not None
    assert worker.in_flight == 1
    assert [held.message_id for held in worker.messages] == [sent.message_id]
    assert worker.messages[0].id == listed.id
    assert listed.state == "in_flight"
    assert listed.held_by == worker.consumer
    assert inspector.queue("default").waiting == 0
    broker.join("default", timeout=10_000)
    assert inspector.peek("default").items == ()


def test_what_was_handed_back_waits(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    broker.declare_queue("default")
    broker.enqueue(message("work"))
    dramatiq.actor(broker=broker, actor_name="work")(lambda: None)  # Nobody runs it.
    consumer = broker.consume("default", prefetch=1, timeout=100)
    fetched = next(iter(consumer))
    assert fetched is not None

    consumer.requeue([fetched])

    status = inspector.queue("default")
    assert status.in_flight == 0
    assert status.waiting >= 1
    assert status.oldest_ms is not None
    assert [one.state for one in inspector.peek("default").items] == ["waiting"]
    consumer.close()


def test_peeking_pages_through_all_lanes_without_gap_or_repetition(
    broker: RedisStreamsBroker, inspector: Inspector
) -> None:
    for number in range(25):
        broker.enqueue(message("work", number, priority=(0, 1, -1)[number % 3]))

    found = list(all_of(lambda cursor: inspector.peek("default", cursor, 4)))

    assert numbers(iter(found)) == [*range(2, 25, 3), *range(0, 25, 3), *range(1, 25, 3)]
    assert [one.lane for one in found] == ["urgent"] * 8 + ["default"] * 9 + ["bulk"] * 8
    for one in found:
        again = inspector.message("default", one.id)
        assert again is not None
        assert again.message_id == one.message_id


def test_delayed_messages_are_paged_by_when_they_are_due(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    for number in range(9):
        broker.enqueue(message("work", number, priority=1 if number == 8 else 0), delay=60_000 + number * 1000)
    delayed = broker.keys("default").delayed
    members: Any = redis_client.zrange(delayed, 0, 4)
    for member in members:
        redis_client.zadd(delayed, {member: 1_000})  # all in one millisecond

    found = list(all_of(lambda cursor: inspector.delayed("default", cursor, 2)))

    assert sorted(numbers(iter(found))) == list(range(9))
    assert numbers(iter(found[5:])) == [5, 6, 7, 8]
    assert found[-1].lane == "bulk"
    assert found[-1].due_ms is not None
    assert 60_000 < found[-1].due_ms <= 68_000
    again = inspector.message("default", found[-1].id)
    assert again is not None
    assert (again.state, again.message_id) == ("delayed", found[-1].message_id)
    assert inspector.queue("default").delayed == 9
    assert inspector.queue("default").due_ms == 0


def test_what_cannot_be_read_is_shown_by_its_bytes(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    redis_client.xadd("default", {"m": b"\xff\x00no message"})
    redis_client.xadd("default", {"foreign": "entry"})
    redis_client.xadd("default", {"m": b'{"queue_name": 1, "actor_name": [], "args": 2, "kwargs": 3, "options": 4}'})

    page = inspector.peek("default")

    assert [one.message for one in page.items] == [None] * 3
    assert [one.raw for one in page.items[:2]] == [b"\xff\x00no message", b"foreign entry"]


@pytest.mark.parametrize(
    ("look", "cursor"),
    [("peek", "3:1-1"), ("peek", "1:x"), ("delayed", "x:y"), ("delayed", "1"), ("attempts", "1:1-1")],
)
def test_a_cursor_of_another_kind_is_refused(inspector: Inspector, look: str, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        getattr(inspector, look)("default", cursor)


def test_a_paused_queue_says_so(broker: RedisStreamsBroker, inspector: Inspector) -> None:
    broker.pause("default")

    assert inspector.queue("default").paused

    broker.resume("default")

    assert not inspector.queue("default").paused


def test_a_worker_that_is_gone_is_shown_with_what_it_left(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    broker.enqueue(message("work"))
    redis_client.xgroup_create("default", GROUP.decode(), "0")
    redis_client.xreadgroup(GROUP.decode(), "elsewhere:7:00ff", {"default": ">"})

    (worker,) = inspector.workers("default")

    assert (worker.host, worker.pid, worker.in_flight) == ("elsewhere", 7, 1)
    assert not worker.alive


def test_a_worker_that_stopped_is_not_shown(
    broker: RedisStreamsBroker, inspector: Inspector, start_worker: Callable[..., Any]
) -> None:
    broker.declare_queue("default")
    worker = start_worker(broker)
    wait_for(lambda: [one.alive for one in inspector.workers("default")] == [True])

    worker.stop()

    assert inspector.workers("default") == []


def test_redis_counts_what_was_ever_added_from_7_on(
    broker: RedisStreamsBroker, inspector: Inspector, version: str
) -> None:
    broker.enqueue(message("work"))
    broker.enqueue(message("work", priority=5))

    assert inspector.queue("default").added == (None if version == "6.2" else 2)


def test_looking_at_a_great_queue_costs_no_more_than_at_a_small_one(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    great = broker.keys("great")
    body = message("work", 1, queue="great").encode()
    redis_client.eval(
        "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'm', ARGV[2]) end", 1, great.stream, 100_000, body
    )
    redis_client.eval(
        "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], i, i .. ':0'); redis.call('HSET', KEYS[2], i .. ':0', "
        "ARGV[2]) end",
        *(2, great.delayed, great.bodies, 100_000, body),
    )
    for number in range(100):
        broker.enqueue(message("work", number))
        broker.enqueue(message("work", number), delay=100_000)

    def cost_us(queue: str) -> int:
        """Return the least of a few measurements, by Redis's own count, of the scripts' time."""
        costs = []
        for _ in range(20):
            redis_client.config_resetstat()
            assert inspector.queue(queue).waiting >= 100
            middle = inspector.peek(queue, None, 50).cursor
            assert len(inspector.peek(queue, middle, 20).items) == 20
            assert len(inspector.delayed(queue, None, 50).items) == 50
            inspector.workers(queue)
            stats = redis_client.info("commandstats")
            costs.append(sum(int(stats.get(name, {}).get("usec", 0)) for name in ("cmdstat_evalsha", "cmdstat_eval")))
        return min(costs)

    inspector.queue("default")
    small, large = cost_us("default"), cost_us("great")

    assert inspector.queue("great").waiting == 100_000
    assert large < small * 4 + 500, (small, large)


def test_the_inspector_searches_no_keys(
    broker: RedisStreamsBroker, inspector: Inspector, redis_client: redis.Redis
) -> None:
    broker.enqueue(message("work"))
    redis_client.config_resetstat()

    inspector.queues()
    inspector.workers()
    inspector.peek("default")
    inspector.delayed("default")
    inspector.attempts("default")

    called = {name.removeprefix("cmdstat_") for name in redis_client.info("commandstats")}
    assert not called & {"keys", "scan", "sscan", "hscan", "zscan"}
