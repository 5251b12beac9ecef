"""Unique messages: a key is taken by one message at a time."""

from collections.abc import Callable

import dramatiq
import pytest
import redis

from broker import RedisStreamsBroker
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for

StartWorker = Callable[..., dramatiq.Worker]


def test_a_second_message_with_the_same_key_is_the_first_one(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    first = broker.enqueue(message("note", 1, unique_key="a"))

    second = broker.enqueue(message("note", 1, unique_key="a"))
    delayed = broker.enqueue(message("note", 1, unique_key="a"), delay=1_000)

    assert second.message_id == delayed.message_id == first.message_id
    assert redis_client.xlen("default") == 1
    assert redis_client.zcard(broker.keys("default").delayed) == 0


def test_other_keys_actors_and_queues_are_apart(broker: RedisStreamsBroker) -> None:
    sent = [
        broker.enqueue(message("note", unique_key="a")),
        broker.enqueue(message("note", unique_key="b")),
        broker.enqueue(message("other", unique_key="a")),
        broker.enqueue(message("note", unique_key="a", queue="elsewhere")),
        broker.enqueue(message("note")),
    ]

    assert len({one.message_id for one in sent}) == 5


@pytest.mark.parametrize("fails", [False, True])
def test_the_key_is_free_when_the_message_is_done_or_dead(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis, fails: bool
) -> None:
    @dramatiq.actor(max_retries=0)
    def work() -> None:
        if fails:
            raise RuntimeError

    first = work.send_with_options(unique_key="a")
    start_worker(broker)
    broker.join("default", timeout=10_000)

    second = work.send_with_options(unique_key="a")
    broker.join("default", timeout=10_000)
    assert first.message_id != second.message_id
    assert redis_client.hlen(broker.keys("default").unique) == 0


def test_the_key_is_kept_while_the_message_is_retried(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    @dramatiq.actor(min_backoff=60_000)
    def fail() -> None:
        raise RuntimeError

    first = fail.send_with_options(unique_key="a")
    wait_for(lambda: redis_client.zcard(broker.keys("default").delayed))

    assert fail.send_with_options(unique_key="a").message_id == first.message_id


def test_the_key_of_a_parked_message_is_kept_and_that_of_a_buried_one_is_free(
    server: Server, open_broker: Callable[..., RedisStreamsBroker], start_worker: StartWorker
) -> None:
    broker = open_broker(server.url, unknown_actor_ms=1_500)
    broker.declare_queue("default")
    first = broker.enqueue(message("nobody", unique_key="a"))

    start_worker(broker)
    wait_for(lambda: broker.client.zcard(broker.keys("default").delayed))
    second = broker.enqueue(message("nobody", unique_key="a"))
    broker.join("default", timeout=10_000)
    third = broker.enqueue(message("nobody", unique_key="a"))

    assert second.message_id == first.message_id != third.message_id


def test_within_its_window_the_key_stays_taken_when_the_message_is_done(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    runs = []

    @dramatiq.actor(unique_ms=60_000)
    def work() -> None:
        runs.append(1)

    first = work.send_with_options(unique_key="a")
    broker.join("default", timeout=10_000)
    second = work.send_with_options(unique_key="a")
    redis_client.zadd(broker.keys("default").unique_until, {"work:a": 1})

    third = work.send_with_options(unique_key="a")

    broker.join("default", timeout=10_000)
    assert second.message_id == first.message_id != third.message_id
    assert len(runs) == 2


def test_expired_keys_do_not_pile_up(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    keys = broker.keys("default")
    for number in range(30):
        broker.enqueue(message("note", unique_key=str(number), unique_ms=1))

    wait_for(
        lambda: broker.enqueue(message("note", unique_key="last", unique_ms=1)) and redis_client.hlen(keys.unique) <= 1
    )
    assert redis_client.zcard(keys.unique_until) == redis_client.hlen(keys.unique)


def test_an_actor_may_have_the_options_for_all_its_messages(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    @dramatiq.actor(unique_key="only")
    def work() -> None:
        pass

    first, second = work.send(), work.send()
    other = work.send_with_options(unique_key="another")

    assert first.message_id == second.message_id != other.message_id
    assert redis_client.xlen("default") == 2


def test_of_many_messages_only_the_first_with_a_key_is_sent(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    before = broker.enqueue(message("note", unique_key="a"))

    sent = broker.enqueue_many(
        [
            message("note", unique_key="b"),
            message("note"),
            message("note", unique_key="a"),
            message("note", unique_key="b"),
        ]
    )

    assert sent[3].message_id == sent[0].message_id
    assert sent[2].message_id == before.message_id
    assert redis_client.xlen("default") == 3


def test_a_full_queue_still_knows_the_message_that_is_there(
    server: Server, open_broker: Callable[..., RedisStreamsBroker]
) -> None:
    broker = open_broker(server.url, max_depth=1)
    first = broker.enqueue(message("note", unique_key="a"))

    assert broker.enqueue(message("note", unique_key="a")).message_id == first.message_id


def test_a_flushed_queue_has_no_keys_taken(broker: RedisStreamsBroker) -> None:
    first = broker.enqueue(message("note", unique_key="a"))

    broker.flush("default")

    assert broker.enqueue(message("note", unique_key="a")).message_id != first.message_id


def test_a_window_of_no_time_is_refused(broker: RedisStreamsBroker) -> None:
    with pytest.raises(ValueError, match="unique_ms"):
        broker.enqueue(message("note", unique_key="a", unique_ms=0))
