"""Dead letters: read, replayed in one step, purged, and kept within bounds."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError
from dramatiq.message import Message

from broker import RedisStreamsBroker
from broker.letters import Letters
from tests.broker.looks import dead_letters, message
from tests.broker.servers import Server, wait_for


@pytest.fixture
def letters(broker: RedisStreamsBroker) -> Letters:
    """The dead letters at the broker's server."""
    return Letters(broker.client)


def bury(client: redis.Redis, broker: RedisStreamsBroker, number: int, **fields: Any) -> str:
    """Put a dead letter into the default queue's; return its id."""
    died = message(str(fields.get("actor", "work")), number, retries=3, traceback="Traceback …", kept="yes")
    letter: Any = {"reason": "failed", "actor": "work", "retries": 3, "message": died.encode()} | fields
    entry_id: Any = client.xadd(broker.keys("default").dead, letter)
    return str(entry_id.decode())


def waiting(client: redis.Redis, stream: str = "default") -> list[Message[Any]]:
    """Return the messages of a stream."""
    entries: Any = client.xrange(stream)
    return [Message.decode(fields[b"m"]) for _, fields in entries if b"m" in fields]


def test_a_letter_says_why_its_message_died(
    broker: RedisStreamsBroker, letters: Letters, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2, priority=5)
    def work(number: int) -> None:
        raise ValueError(f"no {number}")

    sent = work.send(7)
    broker.join("default", timeout=10_000)

    (listed,) = letters.dead("default").items
    letter = letters.letter("default", listed.id)

    assert letter == listed
    assert (letter.reason, letter.error, letter.actor, letter.retries) == ("failed", "ValueError: no 7", "work", 2)
    assert "raise ValueError" in letter.traceback
    assert letter.message_id == sent.message_id
    assert letter.lane == "b"
    assert letter.message is not None
    assert letter.message.args == (7,)
    assert letters.letter("default", "1-1") is None
    assert letters.letter("default", "nonsense") is None


def test_letters_are_paged_and_filtered_the_latest_first(
    broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis
) -> None:
    for number in range(250):
        reason = "poison" if number % 50 == 0 else "failed"
        bury(redis_client, broker, number, actor="work" if number % 2 else "other", reason=reason, error=number)

    found, cursor = [], None
    while True:
        page = letters.dead("default", cursor, 20, actor="other", reason="poison")
        found += [letter.error for letter in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert found == ["200", "150", "100", "50", "0"]
    assert len(letters.dead("default", limit=30).items) == 30
    with pytest.raises(ValueError, match="cursor"):
        letters.dead("default", "x")


def test_a_replayed_message_is_as_new_and_says_where_it_comes_from(
    broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis
) -> None:
    id = bury(redis_client, broker, 1)
    other = bury(redis_client, broker, 2, lane="u")
    before_ms = int(time.time() * 1000)

    assert letters.replay("default", [id, other, "1-1"]) == 2

    (replayed,) = waiting(redis_client)
    assert replayed.args == (1,)
    assert replayed.options == {"kept": "yes", "replayed_from": id}
    assert replayed.message_timestamp >= before_ms
    assert [one.args for one in waiting(redis_client, broker.keys("default").urgent)] == [(2,)]
    assert letters.dead("default").items == ()
    assert letters.replay("default", [id]) == 0


def test_a_replayed_message_runs_and_may_die_again(
    broker: RedisStreamsBroker, letters: Letters, worker: dramatiq.Worker
) -> None:
    healed = False
    runs = []

    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def work(number: int) -> None:
        runs.append(number)
        if not healed:
            raise RuntimeError

    for number in range(3):
        work.send(number)
    broker.join("default", timeout=10_000)

    assert letters.replay_all("default") == 3, "what dies again meanwhile is left alone"
    broker.join("default", timeout=10_000)
    assert len(runs) == 12
    assert [letter.retries for letter in letters.dead("default").items] == [2, 2, 2]

    healed = True
    assert letters.replay_all("default", actor="other") == 0
    assert letters.replay_all("default", actor="work", reason="failed") == 3
    broker.join("default", timeout=10_000)
    assert sorted(runs[12:]) == [0, 1, 2]
    assert letters.dead("default").items == ()


def test_two_operators_who_replay_the_same_letters_send_each_once(
    broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis
) -> None:
    for number in range(300):
        bury(redis_client, broker, number)

    with ThreadPoolExecutor(2) as operators:
        replayed = list(operators.map(lambda _: letters.replay_all("default"), range(2)))

    assert sum(replayed) == 300
    assert sorted(one.args[0] for one in waiting(redis_client)) == list(range(300))


def test_bytes_that_are_no_message_are_replayed_as_they_are(
    broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis
) -> None:
    id = bury(redis_client, broker, 1, reason="undecodable", message=b"\xff?")

    assert letters.replay("default", [id]) == 1

    entries: Any = redis_client.xrange("default")
    ((_, fields),) = entries
    assert fields == {b"m": b"\xff?"}


def test_replaying_keeps_to_a_rate(broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis) -> None:
    for number in range(25):
        bury(redis_client, broker, number)
    began_at = time.monotonic()

    assert letters.replay_all("default", rate_per_s=100) == 25

    # Chunks of ten: the third may begin 0.2 s after the first.
    assert time.monotonic() - began_at >= 0.19
    with pytest.raises(ValueError, match="rate_per_s"):
        letters.replay_all("default", rate_per_s=0)


def test_without_memory_a_letter_stays_dead_but_can_be_purged(
    broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis
) -> None:
    id = bury(redis_client, broker, 1)
    bury(redis_client, broker, 2)
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(BrokerConnectionError, match="0 letters replayed"):
            letters.replay("default", [id])
        assert len(letters.dead("default").items) == 2
        assert letters.purge("default", [id]) == 1
    finally:
        redis_client.config_set("maxmemory", 0)

    assert [letter.message.args for letter in letters.dead("default").items if letter.message] == [(2,)]


def test_letters_are_purged_by_id_by_age_and_all(
    broker: RedisStreamsBroker, letters: Letters, redis_client: redis.Redis
) -> None:
    dead = broker.keys("default").dead
    hour_ago_ms = redis_client.time()[0] * 1000 - 3_600_000
    redis_client.xadd(dead, {"reason": "failed"}, id=f"{hour_ago_ms}-0")
    ids = [bury(redis_client, broker, number) for number in range(205)]

    assert letters.purge("default", [ids[0], ids[1], "1-1", "nonsense"]) == 2
    assert letters.purge_all("default", older_than_ms=1_800_000) == 1
    assert redis_client.xlen(dead) == 203
    assert letters.purge_all("default") == 203
    assert redis_client.xlen(dead) == 0


def test_dead_letters_are_kept_by_bytes(
    server: Server, open_broker: Callable[..., Any], start_worker: Callable[..., Any], redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, dead_max_bytes=20_000)

    @dramatiq.actor(max_retries=0, broker=broker)
    def fail(number: int, ballast: str) -> None:
        raise RuntimeError(number)

    for number in range(10):
        fail.send(number, "x" * 5_000)

    start_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    left = dead_letters(redis_client, broker)
    size = sum(len(value) + len(name) for letter in left for name, value in letter.items())
    assert [letter["error"] for letter in left][-1] == b"RuntimeError: 9"
    assert 2 <= len(left) <= 3
    assert size <= 20_000
    assert int(redis_client.get(broker.keys("default").dead_bytes) or 0) == size

    assert Letters(broker.client).purge_all("default") == len(left)
    assert not redis_client.exists(broker.keys("default").dead_bytes)


def test_the_newest_letter_is_kept_however_great(
    server: Server, open_broker: Callable[..., Any], start_worker: Callable[..., Any], redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, dead_max_bytes=10)

    @dramatiq.actor(max_retries=0, broker=broker)
    def fail() -> None:
        raise RuntimeError

    fail.send()
    fail.send()

    start_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    wait_for(lambda: len(dead_letters(redis_client, broker)) == 1)
