"""Dramatiq's contract, as a worker and an application see it."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import ActorNotFound, QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import Middleware, SkipMessage
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import RedisBackend as ResultBackend

from broker import RedisStreamsBroker
from tests.broker.looks import dead_letters, message
from tests.broker.servers import Server, wait_for


def test_every_message_sent_is_processed_once(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen: Counter[int] = Counter()

    @dramatiq.actor
    def note(number: int) -> None:
        seen[number] += 1

    for number in range(100):
        note.send(number)

    broker.join(note.queue_name, timeout=10_000)
    assert seen == Counter(range(100))


def test_messages_sent_before_the_first_worker_are_processed(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    seen = []

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    note.send(1)

    start_worker(broker)
    broker.join(note.queue_name, timeout=10_000)
    assert seen == [1]


def test_one_thread_processes_messages_in_order(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    seen = []

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    for number in range(200):
        note.send(number)

    start_worker(broker, threads=1)
    broker.join(note.queue_name, timeout=10_000)
    assert seen == list(range(200))


def test_nothing_connects_until_a_message_is_sent() -> None:
    broker = RedisStreamsBroker(url="redis://127.0.0.1:1/0")

    dramatiq.actor(broker=broker)(lambda: None)

    with pytest.raises(dramatiq.errors.BrokerConnectionError):
        broker.enqueue(message("nobody"))
    broker.close()


def test_a_broker_takes_either_a_url_or_a_client(server: Server) -> None:
    with pytest.raises(ValueError, match="either"):
        RedisStreamsBroker()
    with server.client() as client, pytest.raises(ValueError, match="either"):
        RedisStreamsBroker(url=server.url, client=client)


def test_a_client_that_decodes_is_refused(server: Server) -> None:
    with redis.Redis(port=server.port, decode_responses=True) as client, pytest.raises(ValueError, match="bytes"):
        RedisStreamsBroker(client=client)


@pytest.mark.parametrize("protocol", [2, 3])
def test_any_client_of_the_users_own_will_do(
    server: Server, start_worker: Callable[..., dramatiq.Worker], protocol: int
) -> None:
    seen = []
    with redis.Redis(port=server.port, protocol=protocol) as client:
        broker = RedisStreamsBroker(client=client)

        @dramatiq.actor(broker=broker)
        def note(number: int) -> None:
            seen.append(number)

        note.send(1)
        note.send_with_options(args=(2,), delay=20)

        start_worker(broker)
        broker.join("default", timeout=10_000)
    assert seen == [1, 2]


def test_namespaces_keep_brokers_apart(
    server: Server, open_broker: Callable[..., RedisStreamsBroker], start_worker: Callable[..., dramatiq.Worker]
) -> None:
    seen = []
    ours, theirs = open_broker(server.url, namespace="ours"), open_broker(server.url, namespace="theirs")

    @dramatiq.actor(broker=ours)
    def note() -> None:
        seen.append(1)

    note.send()
    theirs.declare_queue("default")

    start_worker(theirs)
    theirs.join("default", timeout=1_000)
    assert seen == []
    with pytest.raises(QueueJoinTimeout):
        ours.join("default", timeout=50)


def test_a_queue_that_was_not_declared_cannot_be_consumed(broker: RedisStreamsBroker) -> None:
    with pytest.raises(QueueNotFound):
        broker.consume("nowhere")


def test_a_queue_is_declared_once(broker: RedisStreamsBroker) -> None:
    declared = []

    class Listener(Middleware):
        def after_declare_queue(self, broker: dramatiq.Broker, queue_name: str) -> None:
            declared.append(queue_name)

    broker.add_middleware(Listener())

    broker.declare_queue("one")
    broker.declare_queue("one")

    assert declared == ["one"]
    assert broker.get_declared_queues() == {"one"}
    assert broker.get_declared_delay_queues() == set()


def test_join_counts_waiting_delayed_and_running_messages(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor
    def hold() -> None:
        running.set()
        release.wait(10)

    hold.send()
    assert running.wait(10)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)

    release.set()
    broker.join("default", timeout=10_000)

    hold.send_with_options(delay=60_000)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_join_never_misses_a_message_on_its_way_from_delayed_to_waiting(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen = []

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    for number in range(30):
        note.send_with_options(args=(number,), delay=1 + number % 7)
        broker.join("default", timeout=10_000)

        assert seen == list(range(number + 1))


def test_flush_empties_all_of_a_queue_and_only_that(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], redis_client: redis.Redis
) -> None:
    @dramatiq.actor(queue_name="doomed", max_retries=0)
    def fail() -> None:
        raise RuntimeError

    @dramatiq.actor(queue_name="spared")
    def spare() -> None:
        pass

    worker = start_worker(broker)
    fail.send()
    wait_for(lambda: dead_letters(redis_client, broker, "doomed"))
    worker.stop()
    fail.send()
    fail.send_with_options(delay=60_000)
    spare.send()

    broker.flush("doomed")

    broker.join("doomed", timeout=50)
    assert dead_letters(redis_client, broker, "doomed") == []
    with pytest.raises(QueueJoinTimeout):
        broker.join("spared", timeout=50)

    broker.flush_all()
    broker.join("spared", timeout=50)


def test_a_flushed_queue_goes_on_working(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor
    def note(number: int) -> None:
        running.set()
        release.wait(10)
        seen.append(number)

    note.send(1)
    assert running.wait(10)
    broker.flush("default")
    release.set()
    note.send(2)

    broker.join("default", timeout=10_000)
    wait_for(lambda: sorted(seen) == [1, 2])


def test_a_worker_can_be_paused_and_resumed(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    note.send(1)
    broker.join("default", timeout=10_000)
    worker.pause()
    note.send(2)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=300)

    worker.resume()
    broker.join("default", timeout=10_000)
    assert seen == [1, 2]


def test_pipelines_and_groups_give_their_results(
    server: Server, broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    backend = ResultBackend(url=server.url)
    broker.add_middleware(Results(backend=backend))  # type: ignore[no-untyped-call]

    @dramatiq.actor(store_results=True)
    def double(number: int) -> int:
        return number * 2

    # Dramatiq's own are untyped, and a piped message gets its argument from the one before.
    message: Any = double.message
    composition: Any = dramatiq.composition
    piped = composition.pipeline([message(1), message(), message()]).run()
    grouped = composition.group([message(number) for number in range(5)]).run()

    assert piped.get_result(block=True, timeout=10_000) == 8
    assert sorted(grouped.get_results(block=True, timeout=10_000)) == [0, 2, 4, 6, 8]


def test_a_dead_letter_ends_the_wait_for_its_result(
    server: Server, broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    broker.add_middleware(Results(backend=ResultBackend(url=server.url), store_results=True))  # type: ignore[no-untyped-call]

    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        raise RuntimeError("no")

    sent = fail.send()

    with pytest.raises(ResultFailure, match="RuntimeError: no"):
        sent.get_result(block=True, timeout=10_000)


def test_callbacks_run(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen: list[object] = []

    @dramatiq.actor
    def on_success(message: dict[str, Any], result: int) -> None:
        seen.append(result)

    @dramatiq.actor
    def on_failure(message: dict[str, Any], error: dict[str, str]) -> None:
        seen.append(error["type"])

    @dramatiq.actor(max_retries=0)
    def work(fails: bool) -> int:
        if fails:
            raise RuntimeError
        return 7

    work.send_with_options(args=(False,), on_success=on_success)
    work.send_with_options(args=(True,), on_failure="on_failure")

    wait_for(lambda: sorted(map(str, seen)) == ["7", "RuntimeError"])


def test_rate_limits_hold(server: Server, broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    limiter = ConcurrentRateLimiter(LimiterBackend(url=server.url), "one", limit=1)  # type: ignore[no-untyped-call]
    running, most, done = Counter[str](), [0], []

    @dramatiq.actor(min_backoff=5, max_backoff=20, max_retries=1000)
    def work(number: int) -> None:
        with limiter.acquire():
            running["now"] += 1
            most[0] = max(most[0], running["now"])
            time.sleep(0.005)
            running["now"] -= 1
            done.append(number)

    for number in range(10):
        work.send(number)

    broker.join("default", timeout=20_000)
    assert most[0] == 1
    assert sorted(done) == list(range(10))


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


def test_middleware_may_skip_a_message(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []

    class Skipper(Middleware):
        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            raise SkipMessage

    broker.add_middleware(Skipper())

    @dramatiq.actor
    def note() -> None:
        seen.append(1)

    note.send()

    broker.join("default", timeout=10_000)
    assert seen == []


def test_an_asynchronous_actor_runs(broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]) -> None:
    seen = []
    broker.add_middleware(dramatiq.middleware.AsyncIO())

    @dramatiq.actor
    async def note(number: int) -> None:
        seen.append(number)

    start_worker(broker)
    note.send(1)

    broker.join("default", timeout=10_000)
    assert seen == [1]


def test_a_message_for_an_unknown_actor_waits_for_a_worker_that_knows_it(
    server: Server,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("broker.delays._SHORTEST_PARK_MS", 100)
    seen = []
    old = open_broker(server.url)
    old.declare_queue("default")
    old.enqueue(message("note", 1))
    start_worker(old)
    wait_for(lambda: old.client.zcard(old.keys("default").delayed))
    parked = old.client.hgetall(old.keys("default").parked)

    new = open_broker(server.url)

    @dramatiq.actor(broker=new)
    def note(number: int) -> None:
        seen.append(number)

    start_worker(new)
    wait_for(lambda: seen == [1], what="the new worker getting the message")
    assert len(parked) == 1
    assert old.client.hgetall(old.keys("default").parked) == {}


def test_a_message_for_an_actor_that_never_comes_is_dead_lettered(
    server: Server,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
    redis_client: redis.Redis,
) -> None:
    rejected = []

    class Listener(Middleware):
        def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
            rejected.append(type(message._exception))

    broker = open_broker(server.url, unknown_actor_ms=20)
    broker.add_middleware(Listener())
    broker.declare_queue("default")
    sent = broker.enqueue(message("nobody"))

    start_worker(broker)
    broker.join("default", timeout=10_000)

    (letter,) = dead_letters(redis_client, broker)
    assert letter["reason"] == b"unknown_actor"
    assert letter["message"] == sent.encode()
    assert rejected == [ActorNotFound]


def test_a_message_with_an_eta_waits_in_redis_and_not_in_a_worker(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(time.time())

    eta = time.time() + 0.2

    broker.enqueue(note.message_with_options(eta=eta * 1000))

    assert redis_client.zcard(broker.keys("default").delayed) == 1
    broker.join("default", timeout=10_000)
    assert seen[0] >= eta


def test_a_message_that_names_another_queue_does_not_kill_the_worker(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], redis_client: redis.Redis
) -> None:
    seen = []

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    stray = message("note", 1, queue="elsewhere")
    redis_client.xadd(broker.keys("default").stream, {b"m": stray.encode()})

    start_worker(broker, threads=1)
    note.send(2)

    broker.join("default", timeout=10_000)
    assert seen == [1, 2]


def test_a_forked_process_is_a_consumer_of_its_own(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    broker.declare_queue("default")
    parent = broker._process
    broker.enqueue(message("note", 1))

    child = os.fork()
    if child == 0:
        code = 1
        try:
            broker.enqueue(message("note", 2))
            code = 0 if broker._process.name != parent.name and not broker._process.holdings else 2
        finally:
            os._exit(code)

    assert os.waitpid(child, 0)[1] == 0
    assert broker._process is parent
    broker.enqueue(message("note", 3))
    assert redis_client.xlen("default") == 3


def test_an_evicting_redis_is_warned_of(
    broker: RedisStreamsBroker, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        broker.warn_of_eviction()
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")

    assert "allkeys-lru" in caplog.text
