"""Middleware over this broker: added anywhere and at any time, heard in order, and in any order as good."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.middleware import AgeLimit, GroupCallbacks, Middleware, default_middleware
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import RedisBackend

from broker import CancelRunning, RedisStreamsBroker, Retries, TraceContext
from broker.monitor import Monitor
from tests.broker.looks import dead_letters, pending
from tests.broker.servers import Server, wait_for

# Dramatiq's own are untyped, and a piped message gets its argument from the one before.
composition: Any = dramatiq.composition
results: Any = Results
limiter: Any = LimiterBackend

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


class Idle(Middleware):
    """Does nothing."""


@pytest.fixture
def shuffled(server: Server, open_broker: OpenBroker) -> Iterator[Callable[[int], RedisStreamsBroker]]:
    """Make Dramatiq's global broker one with all middleware that there is for it, in an order of the seed's own."""
    before = dramatiq.broker.global_broker

    def open_one(seed: int) -> RedisStreamsBroker:
        kinds = [kind for kind in default_middleware if kind is not dramatiq.middleware.Retries]
        everything: list[Any] = [kind() for kind in (*kinds, Retries, CancelRunning, Monitor, TraceContext)]
        everything += [results(backend=RedisBackend(url=server.url)), GroupCallbacks(limiter(url=server.url))]
        random.Random(seed).shuffle(everything)
        broker = open_broker(server.url, middleware=everything)
        dramatiq.set_broker(broker)
        return broker

    yield open_one
    dramatiq.broker.global_broker = before


def test_middleware_is_added_where_it_was_asked_for(broker: RedisStreamsBroker) -> None:
    first, second, last = Idle(), Middleware(), TraceContext()

    broker.add_middleware(first, before=AgeLimit)
    broker.add_middleware(second, after=AgeLimit)
    broker.add_middleware(last)

    assert broker.middleware[0] is first
    assert broker.middleware[2] is second
    assert broker.middleware[-1] is last


def test_middleware_is_not_added_beside_what_is_not_there_or_in_two_places(broker: RedisStreamsBroker) -> None:
    before = list(broker.middleware)

    with pytest.raises(ValueError, match="Idle"):
        broker.add_middleware(Idle(), after=Idle)
    with pytest.raises(AssertionError):
        broker.add_middleware(Idle(), before=AgeLimit, after=AgeLimit)

    assert broker.middleware == before


def test_the_same_kind_of_middleware_twice_is_warned_of_and_added(
    broker: RedisStreamsBroker, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = Idle(), Idle()

    broker.add_middleware(one)
    assert "twice" not in caplog.text
    broker.add_middleware(other)

    assert "twice" in caplog.text
    assert broker.middleware[-2:] == [one, other]


def test_a_broker_works_without_any_middleware(
    server: Server, open_broker: OpenBroker, start_worker: StartWorker
) -> None:
    seen: list[int] = []
    broker = open_broker(server.url, middleware=[])

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    note.send(1)
    start_worker(broker)

    broker.join("default", timeout=10_000)
    assert seen == [1]


def test_middleware_that_is_added_while_a_worker_runs_is_heard(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    heard: list[str] = []

    class Listener(Middleware):
        def __init__(self, name: str) -> None:
            self.name = name

        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append(f"before {self.name}")

        def after_process_message(self, broker: dramatiq.Broker, message: Any, **outcome: Any) -> None:
            heard.append(f"after {self.name}")

    @dramatiq.actor
    def work() -> None:
        heard.append("work")

    work.send()
    broker.join("default", timeout=10_000)
    broker.add_middleware(Listener("one"))
    broker.add_middleware(Listener("two"))
    work.send()
    broker.join("default", timeout=10_000)

    assert heard == ["work", "before one", "before two", "work", "after two", "after one"]


def test_middleware_hears_of_a_failure_of_a_skip_and_of_their_messages_ends(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    heard: list[tuple[str, Any]] = []
    lives: list[list[tuple[str, Any]]] = []

    class Listener(Middleware):
        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            if message.args == ("skip",):
                raise dramatiq.middleware.SkipMessage("not now")

        def after_process_message(
            self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            heard.append(("processed", result if exception is None else type(exception)))

        def after_skip_message(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append(("skipped", message.failed))

        def after_ack(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append(("acked", message.args[0]))

        def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append(("nacked", message.args[0]))

    broker.add_middleware(Listener())

    @dramatiq.actor(max_retries=0)
    def work(name: str) -> str:
        if name == "fail":
            raise RuntimeError
        return name

    for name in ("pass", "fail", "skip"):
        heard.clear()
        work.send(name)
        wait_for(lambda: len(heard) == 2)
        lives.append(list(heard))

    assert lives == [
        [("processed", "pass"), ("acked", "pass")],
        [("processed", RuntimeError), ("nacked", "fail")],
        [("skipped", False), ("acked", "skip")],
    ]


def test_middleware_hears_a_worker_come_and_go(broker: RedisStreamsBroker) -> None:
    heard: list[str] = []

    class Listener(Middleware):
        def before_consumer_thread_shutdown(self, broker: Any, thread: Any) -> None:
            heard.append("reader ends")

        def before_worker_thread_shutdown(self, broker: Any, thread: Any) -> None:
            heard.append("thread ends")

        def after_worker_boot(self, broker: Any, worker: Any) -> None:
            heard.append("booted")

        def after_worker_shutdown(self, broker: Any, worker: Any) -> None:
            heard.append("shut down")

    broker.add_middleware(Listener())
    broker.declare_queue("default")

    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=20)
    worker.start()
    worker.stop()

    assert Counter(heard) == {"booted": 1, "thread ends": 2, "reader ends": 1, "shut down": 1}
    assert heard[0] == "booted"
    assert heard[-1] == "shut down"


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_middleware_is_as_good(
    seed: int,
    shuffled: Callable[[int], RedisStreamsBroker],
    start_worker: StartWorker,
    redis_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = shuffled(seed)
    runs: Counter[object] = Counter()
    told: list[object] = []

    @dramatiq.actor(store_results=True, min_backoff=1, max_backoff=5)
    def stumble(number: int) -> int:
        runs[number] += 1
        if runs[number] <= number % 3:
            raise RuntimeError
        return number + 1

    @dramatiq.actor(store_results=True, max_retries=1, min_backoff=1, max_backoff=5)
    def fail() -> None:
        runs["fail"] += 1
        raise ValueError("never")

    @dramatiq.actor
    def hear(message: dict[str, Any], outcome: object) -> None:
        told.append(outcome)

    @dramatiq.actor
    def finish() -> None:
        told.append("group done")

    message: Any = stumble.message
    sendable: Any = stumble
    group = composition.group([message(number) for number in range(10, 20)])
    group.add_completion_callback(finish.message())

    start_worker(broker)
    piped = (message(1) | message() | message()).run()
    group.run()
    called = sendable.send_with_options(args=(20,), on_success=hear)
    failed = fail.send()

    assert piped.get_result(block=True, timeout=20_000) == 4
    assert list(group.get_results(block=True, timeout=20_000)) == list(range(11, 21))
    assert called.get_result(block=True, timeout=20_000) == 21
    with pytest.raises(ResultFailure, match="ValueError: never"):
        failed.get_result(block=True, timeout=20_000)
    wait_for(lambda: sorted(map(str, told)) == ["21", "group done"])
    broker.join("default", timeout=10_000)
    expected = {number: 1 + number % 3 for number in (1, 2, 3, *range(10, 21))}
    assert runs == {**expected, "fail": 2}
    assert [letter["actor"] for letter in dead_letters(redis_client, broker)] == [b"fail"]
    assert pending(redis_client, broker) == {}
    assert "Unexpected failure" not in caplog.text


def test_middleware_hears_of_every_step_in_dramatiqs_order(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    heard = []

    class Listener(Middleware):
        def before_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
            heard.append("before_enqueue")

        def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
            heard.append("after_enqueue")

        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append("before_process_message")

        def after_process_message(self, broker: dramatiq.Broker, message: Any, **outcome: Any) -> None:
            heard.append("after_process_message")

        def before_ack(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append("before_ack")

        def after_ack(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append("after_ack")

    broker.add_middleware(Listener())

    @dramatiq.actor
    def nothing() -> None:
        pass

    nothing.send()

    wait_for(lambda: len(heard) == 6)
    rest = [step for step in heard if step != "after_enqueue"]
    assert rest == ["before_enqueue", "before_process_message", "after_process_message", "before_ack", "after_ack"]


def test_middleware_that_breaks_breaks_nothing_else(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []

    class Broken(Middleware):
        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            raise RuntimeError

        def after_process_message(self, broker: dramatiq.Broker, message: Any, **outcome: Any) -> None:
            raise RuntimeError

    broker.add_middleware(Broken())

    @dramatiq.actor
    def note() -> None:
        seen.append(1)

    note.send()

    broker.join("default", timeout=10_000)
    assert seen == [1]
