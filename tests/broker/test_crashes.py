"""Worker processes that are killed, frozen and stopped, by real signals."""

import os
import signal
from collections.abc import Callable
from typing import Any

import redis
from dramatiq.message import Message

from broker import RedisStreamsBroker
from broker.keys import SHELF
from tests.broker.looks import consumers, dead_letters, message, pending
from tests.broker.processes import Start, end, tell
from tests.broker.servers import wait_for


def send(broker: RedisStreamsBroker, actor: str, *args: object) -> Message[Any]:
    """Send a message for one of the program's actors."""
    return broker.enqueue(message(actor, *args))


def test_what_a_killed_worker_held_is_taken_over(
    broker: RedisStreamsBroker, redis_client: redis.Redis, start: Start, diary: Callable[[str], list[str]]
) -> None:
    doomed = start()
    send(broker, "hold", "long", 600)
    wait_for(lambda: diary("started") == ["long"])
    for number in range(3):
        send(broker, "hold", f"prefetched {number}", 0)
    wait_for(lambda: sum(pending(redis_client, broker).values()) >= 2)

    end(doomed)
    start(threads=8)

    wait_for(lambda: diary("started").count("long") == 2, what="taking over what ran")
    names = {f"prefetched {number}" for number in range(3)}
    wait_for(lambda: set(diary("ended")) == names, what="taking over what did not run")


def test_a_frozen_worker_that_wakes_after_its_lease_changes_nothing(
    broker: RedisStreamsBroker, redis_client: redis.Redis, start: Start, diary: Callable[[str], list[str]]
) -> None:
    frozen = start()
    send(broker, "hold_and_fail", "contested", 0.5)
    wait_for(lambda: diary("started"))

    os.killpg(frozen.pid, signal.SIGSTOP)
    start()
    wait_for(lambda: diary("ended") == ["contested"], what="the other worker taking over")
    broker.join("default", timeout=10_000)
    os.killpg(frozen.pid, signal.SIGCONT)
    wait_for(lambda: len(diary("ended")) == 2, what="the frozen worker going on")
    os.killpg(frozen.pid, signal.SIGTERM)
    frozen.wait(20)

    # The late failure was neither retried nor dead-lettered.
    broker.join("default", timeout=1_000)
    assert len(diary("started")) == 2
    assert dead_letters(redis_client, broker) == []


def test_a_message_that_kills_its_workers_is_dead_lettered_as_poison(
    broker: RedisStreamsBroker, redis_client: redis.Redis, start: Start, diary: Callable[[str], list[str]]
) -> None:
    sent = send(broker, "kill", "killer")
    for number in range(3):
        send(broker, "hold", f"bystander {number}", 0)

    child = start(lease_ms=200, max_starts=3, threads=1)
    for _ in range(3):
        child.wait(20)
        assert child.returncode == -signal.SIGKILL
        child = start(lease_ms=200, max_starts=3, threads=1)
    broker.join("default", timeout=20_000)

    assert diary("started").count("killer") == 3
    (letter,) = dead_letters(redis_client, broker)
    assert letter["reason"] == b"poison"
    assert letter["message_id"] == sent.message_id.encode()
    assert {f"bystander {number}" for number in range(3)} == set(diary("ended"))
    assert not redis_client.exists(broker.keys("default").starts)


def test_a_worker_told_to_stop_finishes_what_runs_and_hands_back_the_rest(
    broker: RedisStreamsBroker, redis_client: redis.Redis, start: Start, diary: Callable[[str], list[str]]
) -> None:
    # The lease lasts however long this takes.
    leaving = start(threads=1, lease_ms=15_000)
    send(broker, "gather", "running")
    wait_for(lambda: diary("started"))
    send(broker, "hold", "waiting", 0)
    wait_for(lambda: sum(pending(redis_client, broker).values()) == 2)

    tell(leaving, signal.SIGTERM)
    wait_for(lambda: diary("stopping"))
    redis_client.set("go", 1)

    assert leaving.wait(20) == 0
    assert diary("ended") == ["running"]
    assert pending(redis_client, broker) == {SHELF: 1}
    assert consumers(redis_client, broker) == set(), "it left no name behind"
    assert not redis_client.exists(broker.keys("default").starts), "what never started has no starts"
    start()
    broker.join("default", timeout=20_000)
    assert diary("ended") == ["running", "waiting"]


def test_an_urgent_message_overtakes_a_thousand_others_in_running_processes(
    broker: RedisStreamsBroker, start: Start, diary: Callable[[str], list[str]]
) -> None:
    for number in range(1_000):
        broker.enqueue(message("hold", f"bulk {number}", 0.005, priority=1))
    for _ in range(2):
        start(threads=1)
    wait_for(lambda: len(diary("started")) >= 10)

    broker.enqueue(message("hold", "urgent", 0, priority=-1))
    before = len(diary("started"))

    wait_for(lambda: "urgent" in diary("started"))
    # What the two processes had fetched before, two messages a thread, and what was on its way meanwhile.
    assert diary("started").index("urgent") <= before + 12
