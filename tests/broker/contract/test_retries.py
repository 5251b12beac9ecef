"""Dramatiq's options of retrying: all of them hold over this broker."""

import logging
import time
from collections import Counter
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import Retry

from broker import RedisStreamsBroker, Retries
from tests.broker.looks import dead_letters
from tests.broker.servers import wait_for


@pytest.fixture(params=["ours", "dramatiq's"])
def retrying(request: pytest.FixtureRequest, broker: RedisStreamsBroker) -> RedisStreamsBroker:
    """A broker with our middleware of retries, or with Dramatiq's own in its place."""
    if request.param == "dramatiq's":
        place = next(number for number, one in enumerate(broker.middleware) if isinstance(one, Retries))
        broker.middleware[place] = dramatiq.middleware.Retries()
    return broker


def test_an_actor_without_retries_runs_once(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    runs = []

    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        runs.append(1)
        raise RuntimeError

    fail.send()

    retrying.join("default", timeout=10_000)
    assert runs == [1]
    assert len(dead_letters(redis_client, retrying)) == 1


def test_a_message_may_have_retries_of_its_own(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    runs = []

    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        runs.append(1)
        raise RuntimeError

    fail.send_with_options(max_retries=3, min_backoff=1, max_backoff=5)

    retrying.join("default", timeout=10_000)
    assert len(runs) == 4


def test_an_exception_that_an_actor_throws_on_purpose_is_not_retried(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    runs = []

    @dramatiq.actor(throws=(ValueError,), min_backoff=1, max_backoff=5)
    def fail() -> None:
        runs.append(1)
        raise ValueError("on purpose")

    fail.send()

    retrying.join("default", timeout=10_000)
    assert runs == [1]
    (letter,) = dead_letters(redis_client, retrying)
    assert letter["error"] == b"ValueError: on purpose"


def test_a_predicate_may_decide_about_retries(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    runs = []
    asked = []

    def once(retries: int, error: BaseException) -> bool:
        asked.append((retries, type(error)))
        return retries < 1

    @dramatiq.actor(retry_when=once, max_retries=0, min_backoff=1, max_backoff=5)
    def fail() -> None:
        runs.append(1)
        raise ValueError

    fail.send()

    retrying.join("default", timeout=10_000)
    assert len(runs) == 2
    assert asked == [(0, ValueError), (1, ValueError)]


def test_an_actor_may_say_when_it_is_retried(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    started = []

    @dramatiq.actor(max_retries=1, min_backoff=60_000)
    def work() -> None:
        started.append(time.monotonic())
        if len(started) == 1:
            raise Retry("later", delay=150)

    work.send()

    retrying.join("default", timeout=10_000)
    assert len(started) == 2
    assert started[1] - started[0] >= 0.145


@pytest.mark.parametrize(
    ("actors", "messages"),
    [
        ({"min_backoff": 0}, {}),
        ({"max_backoff": 0}, {}),
        ({"min_backoff": 60_000}, {"min_backoff": 0}),
        ({"min_backoff": 60_000}, {"max_backoff": 0}),
    ],
)
def test_retries_without_backoff_follow_each_other_at_once(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, actors: dict[str, Any], messages: dict[str, Any]
) -> None:
    times: list[float] = []

    @dramatiq.actor(max_retries=10, **actors)
    def fail() -> None:
        times.append(time.monotonic())
        raise RuntimeError

    def took() -> float:
        times.clear()
        began = time.monotonic()
        fail.send_with_options(**messages)
        retrying.join("default", timeout=10_000)
        assert len(times) == 11
        return times[-1] - began

    # A busy machine may be slow once, and not again and again.
    wait_for(lambda: took() < 0.2, what="eleven runs in 0.2 s")


@pytest.mark.parametrize("throws", [ValueError, (ValueError,), (KeyError, ValueError)])
def test_what_an_actor_throws_on_purpose_is_no_error_in_the_log(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, caplog: pytest.LogCaptureFixture, throws: Any
) -> None:
    caplog.set_level(logging.INFO)

    @dramatiq.actor(throws=throws)
    def work() -> None:
        raise ValueError("on purpose")

    work.send()

    retrying.join("default", timeout=10_000)
    texts = caplog.text
    assert "with expected exception ValueError" in texts
    assert "Aborting message" in texts
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("retries", [0, 2])
def test_asking_for_a_retry_is_no_error_in_the_log(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, caplog: pytest.LogCaptureFixture, retries: int
) -> None:
    runs = []

    @dramatiq.actor(max_retries=retries, min_backoff=1, max_backoff=5)
    def work() -> None:
        runs.append(1)
        raise Retry

    work.send()

    retrying.join("default", timeout=10_000)
    assert len(runs) == 1 + retries
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_retries_end_when_a_message_is_too_old(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    runs = []

    @dramatiq.actor(max_age=100, max_retries=1_000_000, min_backoff=5, max_backoff=10)
    def fail() -> None:
        runs.append(1)
        raise RuntimeError

    fail.send()

    retrying.join("default", timeout=20_000)
    assert len(runs) >= 1
    assert len(dead_letters(redis_client, retrying)) == 1


def test_a_predicate_tells_exceptions_apart(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    runs: Counter[str] = Counter()

    @dramatiq.actor(
        retry_when=lambda retries, error: retries < 3 and isinstance(error, RuntimeError),
        max_retries=0,
        min_backoff=1,
        max_backoff=5,
    )
    def fail(kind: str) -> None:
        runs[kind] += 1
        raise {"runtime": RuntimeError, "value": ValueError}[kind]

    fail.send("runtime")
    fail.send("value")

    retrying.join("default", timeout=10_000)
    assert runs == {"runtime": 4, "value": 1}


def test_another_actor_hears_that_retries_are_exhausted(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    heard = []

    @dramatiq.actor
    def mourn(message: dict[str, object], counts: dict[str, int]) -> None:
        heard.append((message["actor_name"], counts))

    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=5, on_retry_exhausted="mourn")
    def fail() -> None:
        raise RuntimeError

    fail.send()

    wait_for(lambda: heard)
    assert heard == [("fail", {"retries": 1, "max_retries": 1})]


def test_retries_of_many_messages_wait_for_none_of_each_other(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    runs: Counter[int] = Counter()

    @dramatiq.actor(max_retries=5, min_backoff=1, max_backoff=10)
    def work(number: int) -> None:
        runs[number] += 1
        if runs[number] <= number % 3:
            raise RuntimeError

    for number in range(60):
        work.send(number)

    retrying.join("default", timeout=20_000)
    assert runs == {number: 1 + number % 3 for number in range(60)}
