"""The monitor: attempts and counts, in bounded memory, and never in an actor's way."""

import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.middleware import Middleware, default_middleware
from prometheus_client import CollectorRegistry, generate_latest

from broker import RedisStreamsBroker, Reschedule, connect
from broker.attempts import fingerprint
from broker.inspector import Inspector
from broker.metrics import QueueMetrics
from broker.monitor import Monitor
from tests.broker.servers import Server, wait_for


@pytest.fixture
def monitor(broker: RedisStreamsBroker) -> Monitor:
    """A monitor on the broker."""
    monitor = Monitor()
    broker.add_middleware(monitor)
    return monitor


def counted(broker: RedisStreamsBroker, actor: str = "work") -> dict[str, int]:
    """Return what was counted of an actor."""
    return Inspector(broker.client).totals("default").get(actor, {})


def test_attempts_are_written_down_with_how_they_ended(
    broker: RedisStreamsBroker, monitor: Monitor, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def work(good: bool) -> None:
        time.sleep(0.01)
        if not good:
            raise ValueError("secret")

    good, bad = work.send(True), work.send(False)
    broker.join("default", timeout=10_000)
    wait_for(lambda: counted(broker).get("dead"))

    inspector = Inspector(broker.client)
    attempts = inspector.attempts("default").items
    assert len(attempts) == 3
    (done,) = inspector.attempts("default", message_id=good.message_id).items
    assert (done.outcome, done.actor, done.retries, done.error, done.fingerprint) == ("done", "work", 0, "", "")
    assert done.duration_ms >= 10
    assert done.started_ms <= time.time() * 1000
    dead, retried = inspector.attempts("default", message_id=bad.message_id).items
    assert [(one.outcome, one.retries, one.error) for one in (retried, dead)] == [
        ("retried", 0, "ValueError"),
        ("dead", 1, "ValueError"),
    ]
    assert dead.fingerprint == retried.fingerprint
    assert all(b"secret" not in value for value in _everything(broker.client, broker.keys("default").attempts))
    assert counted(broker) == {"enqueued": 2, "started": 3, "done": 1, "retried": 1, "dead": 1}


def _everything(client: Any, stream: str) -> list[bytes]:
    return [value for _, fields in client.xrange(stream) for value in fields.values()]


def test_rates_come_from_the_monitor(broker: RedisStreamsBroker, monitor: Monitor, worker: dramatiq.Worker) -> None:
    @dramatiq.actor
    def work() -> None:
        pass

    for _ in range(60):
        work.send()
    broker.join("default", timeout=10_000)
    wait_for(lambda: counted(broker).get("done") == 60)

    status = Inspector(broker.client).queue("default")
    rates = Inspector(broker.client).rates("default", 5)
    assert status.in_rate is not None
    assert 0.5 <= status.in_rate <= 1.0, "60 messages in 60 to 120 seconds"
    assert status.out_rate == pytest.approx(status.in_rate, rel=0.1)
    assert rates is not None
    assert rates.number("done") == 60


def test_rescheduling_counts_as_no_new_message(
    broker: RedisStreamsBroker, monitor: Monitor, worker: dramatiq.Worker
) -> None:
    runs = []

    @dramatiq.actor
    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise Reschedule(1)

    work.send()
    broker.join("default", timeout=10_000)

    wait_for(lambda: counted(broker) == {"enqueued": 1, "started": 2, "retried": 1, "done": 1})


def test_a_message_that_runs_before_its_sender_goes_on_is_counted_as_enqueued(
    broker: RedisStreamsBroker, monitor: Monitor, worker: dramatiq.Worker
) -> None:
    runs, noted = threading.Event(), threading.Event()

    class Slow(Middleware):
        """Makes the sender note a message only when a worker runs it."""

        def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
            assert runs.wait(10)

    broker.add_middleware(Slow())

    @dramatiq.actor
    def work() -> None:
        runs.set()
        assert noted.wait(10)

    work.send()
    noted.set()

    wait_for(lambda: counted(broker) == {"enqueued": 1, "started": 1, "done": 1})


def test_what_is_cancelled_is_not_counted_as_dead(
    broker: RedisStreamsBroker, monitor: Monitor, start_worker: Callable[..., Any]
) -> None:
    @dramatiq.actor
    def work(number: int) -> None:
        pass

    sent = work.send(1)
    work.send(2)
    assert broker.cancel("default", sent.message_id) == "waiting"
    start_worker(broker)

    wait_for(lambda: counted(broker) == {"enqueued": 2, "cancelled": 1, "started": 1, "done": 1})


def test_what_is_no_message_is_counted_as_dead_and_is_no_attempt(
    broker: RedisStreamsBroker, monitor: Monitor, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    @dramatiq.actor
    def work() -> None:
        pass

    for body in (b"?", b"{}"):
        redis_client.xadd("default", {b"m": body})
    work.send()
    broker.join("default", timeout=10_000)

    wait_for(lambda: counted(broker) == {"enqueued": 1, "started": 1, "done": 1})
    inspector = Inspector(broker.client)
    assert inspector.totals("default")[""] == {"dead": 2}
    assert [one.actor for one in inspector.attempts("default").items] == ["work"]
    rates = inspector.rates("default", 5)
    assert rates is not None
    assert rates.number("dead") == inspector.queue("default").dead == 2
    assert 'broker_messages_total{actor="",event="dead",queue="default"} 2.0' in shown(broker)


def shown(broker: RedisStreamsBroker) -> str:
    """Return what Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(QueueMetrics(broker.client))
    return generate_latest(registry).decode()


def test_the_monitor_works_in_any_place_among_middleware(
    server: Server, open_broker: Callable[..., Any], start_worker: Callable[..., Any]
) -> None:
    broker = open_broker(server.url, middleware=[Monitor(), *(kind() for kind in default_middleware)])

    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2, broker=broker)
    def work() -> None:
        raise RuntimeError

    work.send()

    start_worker(broker)
    wait_for(lambda: counted(broker) == {"enqueued": 1, "started": 2, "retried": 1, "dead": 1})


def test_without_redis_notes_are_dropped_and_work_goes_on(
    server: Server, broker: RedisStreamsBroker, start_worker: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor(connect("redis://127.0.0.1:1/0", connect_timeout_s=1))
    broker.add_middleware(monitor)
    runs = []

    @dramatiq.actor
    def work() -> None:
        runs.append(1)

    for _ in range(20):
        work.send()
    start_worker(broker)
    broker.join("default", timeout=10_000)

    monitor.flush()
    assert len(runs) == 20
    wait_for(lambda: monitor.dropped >= 20)
    monitor.flush()
    assert sum("Redis is away" in record.message for record in caplog.records) == 1


def test_more_attempts_than_the_buffer_holds_are_dropped_but_counted(
    broker: RedisStreamsBroker, start_worker: Callable[..., Any]
) -> None:
    monitor = Monitor(buffer=5)
    broker.add_middleware(monitor)

    @dramatiq.actor(max_retries=0)
    def work(good: bool) -> None:
        if not good:
            raise RuntimeError

    for number in range(200):
        work.send(number != 0)
    start_worker(broker)
    broker.join("default", timeout=10_000)

    wait_for(lambda: counted(broker).get("done") == 199)
    wait_for(lambda: counted(broker).get("dead") == 1)
    attempts = Inspector(broker.client).attempts("default", limit=500).items
    assert monitor.dropped > 0
    assert len(attempts) + monitor.dropped == 200
    assert [one.outcome for one in attempts].count("dead") == 1, "what succeeds does not crowd out what fails"


def test_what_is_kept_is_bounded(
    broker: RedisStreamsBroker, monitor: Monitor, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    keys = broker.keys("default")
    old_ms = redis_client.time()[0] * 1000 - 25 * 60 * 60 * 1000
    with redis_client.pipeline(transaction=False) as pipe:
        for number in range(12_000):
            pipe.xadd(keys.attempts, {"n": number}, id=f"{old_ms}-{number + 1}")
        pipe.execute()

    @dramatiq.actor
    def work() -> None:
        pass

    work.send()
    broker.join("default", timeout=10_000)
    wait_for(lambda: counted(broker).get("done"))

    assert redis_client.xlen(keys.attempts) <= 101, "one node of the stream may stay"
    minutes = [keys.rates(int(time.time()) // 60 - ago) for ago in (0, 1)]
    assert all(redis_client.ttl(minute) > 0 for minute in minutes if redis_client.exists(minute))
    assert Inspector(broker.client).attempts("default").items[0].outcome == "done"


def test_the_fingerprint_tells_places_and_types_apart_and_nothing_else() -> None:
    def raised(error: Exception, *, elsewhere: bool = False) -> Exception:
        try:
            (_raise_elsewhere if elsewhere else _raise)(error)
        except Exception as caught:
            return caught
        raise AssertionError

    one, again = raised(ValueError("a")), raised(ValueError("b"))
    assert fingerprint(one) == fingerprint(again)
    assert (
        len({fingerprint(one), fingerprint(raised(TypeError())), fingerprint(raised(ValueError(), elsewhere=True))})
        == 3
    )


def _raise(error: Exception) -> None:
    raise error


def _raise_elsewhere(error: Exception) -> None:
    raise error
