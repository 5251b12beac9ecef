"""Actors over this broker: how they may be declared, and what reaches them."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import RateLimitExceeded
from dramatiq.middleware import CurrentMessage, SkipMessage

from broker import RedisStreamsBroker
from tests.broker.conftest import Note
from tests.broker.looks import dead_letters
from tests.broker.servers import wait_for

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def pickling() -> Iterator[None]:
    """Messages are pickled meanwhile."""
    before = dramatiq.get_encoder()
    dramatiq.set_encoder(dramatiq.PickleEncoder())
    yield
    dramatiq.set_encoder(before)


def kept(client: redis.Redis, queue: str = "default") -> list[dramatiq.Message[Any]]:
    """Return the messages that wait in Redis, the oldest first."""
    entries: Any = client.xrange(queue)
    return [dramatiq.Message.decode(fields[b"m"]) for _, fields in entries]


def test_what_is_sent_is_what_redis_keeps(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    @dramatiq.actor
    def add(x: int, y: int) -> int:
        return x + y

    sent = add.send(1, y=2)

    assert kept(redis_client) == [sent]


def test_arguments_arrive_by_place_and_by_name(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []

    @dramatiq.actor
    def note(first: int, *, second: dict[str, list[int]]) -> None:
        seen.append((first, second))

    note.send(1, second={"two": [3]})

    broker.join("default", timeout=10_000)
    assert seen == [(1, {"two": [3]})]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"strange": 1}, "strange"),
        ({"queue_name": "$2@!@#"}, "[Qq]ueue"),
        ({"actor_name": "taken"}, "already registered"),
    ],
)
def test_an_actor_that_cannot_be_is_refused(broker: RedisStreamsBroker, options: dict[str, Any], says: str) -> None:
    dramatiq.actor(actor_name="taken")(lambda: None)

    with pytest.raises(ValueError, match=says):
        dramatiq.actor(**{"actor_name": "new", **options})(lambda: None)


def test_an_actor_may_have_all_options_of_the_default_middleware(broker: RedisStreamsBroker) -> None:
    options: dict[str, Any] = {
        "max_age": 1_000,
        "time_limit": 1_000,
        "notify_shutdown": True,
        "on_success": None,
        "on_failure": None,
        "pipe_ignore": True,
        "max_retries": 32,
        "min_backoff": 1,
        "max_backoff": 2,
        "retry_when": None,
        "throws": None,
        "on_retry_exhausted": None,
    }

    actor = dramatiq.actor(**options)(lambda: None)

    assert actor.options == options


def test_actors_of_classes_share_what_their_base_says(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []

    class Base(dramatiq.GenericActor):
        name = "nobody"

        class Meta:
            abstract = True
            queue_name = "classes"

        def perform(self) -> None:
            seen.append(self.name)

    class One(Base):
        name = "one"

    class Other(Base):
        name = "other"

    for actor in (One, Other):
        sendable: Any = actor
        sendable.send()

    broker.join("classes", timeout=10_000)
    assert sorted(seen) == ["one", "other"]


def test_messages_may_be_encoded_in_another_way(
    pickling: None, broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen, runs = [], []

    @dramatiq.actor(min_backoff=1, max_backoff=5)
    def note(name: Any) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError
        seen.append(name)

    # JSON has no sets.
    note.send({1, 2})
    note.send_with_options(args=({3},), delay=20)

    broker.join("default", timeout=10_000)
    assert sorted(seen, key=str) == [{1, 2}, {3}]


def test_a_worker_with_queues_of_its_own_leaves_others_alone(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    seen = []

    @dramatiq.actor(queue_name="mine")
    def mine() -> None:
        seen.append("mine")

    @dramatiq.actor(queue_name="theirs")
    def theirs() -> None:
        seen.append("theirs")

    worker = dramatiq.Worker(broker, queues={"mine"}, worker_threads=1, worker_timeout=20)
    worker.start()
    broker.declare_queue("late")
    theirs.send()
    mine.send()

    broker.join("mine", timeout=10_000)
    worker.stop()
    assert seen == ["mine"]
    assert set(worker.consumers) == {"mine"}
    assert len(kept(redis_client, "theirs")) == 1


def test_queues_that_are_declared_while_a_worker_runs_are_consumed(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen = []

    @dramatiq.actor(queue_name="late")
    def note() -> None:
        seen.append(1)

    note.send()

    broker.join("late", timeout=10_000)
    assert seen == [1]


def test_what_a_worker_fetched_is_run_by_the_priority_of_actors(
    broker: RedisStreamsBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)
    monkeypatch.setattr("dramatiq.worker.QUEUE_PREFETCH", 40)
    seen = []
    for name, priority in (("last", 7), ("second", 3), ("first", 0)):
        dramatiq.actor(actor_name=name, priority=priority)(lambda name=name: seen.append(name))
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    worker.pause()

    for _ in range(10):
        for name in ("last", "second", "first"):
            broker.get_actor(name).send()
    # The reader is let go first, so that all is fetched before anything is run.
    for consumer in worker.consumers.values():
        consumer.resume()
    wait_for(lambda: worker.work_queue.qsize() == 30, what="fetching")
    worker.resume()

    broker.join("default", timeout=10_000)
    worker.stop()
    assert seen == ["first"] * 10 + ["second"] * 10 + ["last"] * 10


def test_what_a_worker_fetched_is_run_in_the_order_it_was_sent(
    broker: RedisStreamsBroker, monkeypatch: pytest.MonkeyPatch, note: Note, seen: list[Any]
) -> None:
    monkeypatch.setattr("dramatiq.worker.QUEUE_PREFETCH", 50)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    for thread in worker.workers:
        thread.pause()
        assert thread.paused_event.wait(10)

    for number in range(50):
        note.send(number)
    wait_for(lambda: worker.work_queue.qsize() == 50, what="fetching")
    worker.resume()

    broker.join("default", timeout=10_000)
    worker.stop()
    assert seen == list(range(50))


def test_no_more_is_fetched_than_a_worker_wants_before_it_runs_anything(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    @dramatiq.actor
    def nothing() -> None:
        pass

    worker = start_worker(broker, threads=3)
    for thread in worker.workers:
        thread.pause()
        assert thread.paused_event.wait(10)

    for _ in range(15):
        nothing.send()
    wait_for(lambda: worker.work_queue.qsize() == 6, what="fetching two for each thread")

    # A look at Redis takes longer than another fetch would.
    assert redis_client.xlen("default") == 15
    assert worker.work_queue.qsize() == 6
    worker.resume()
    broker.join("default", timeout=10_000)


@pytest.mark.parametrize("delays", [(1500, 100), (timedelta(seconds=1.5), timedelta(seconds=0.1))])
def test_delays_are_independent_of_each_other(
    broker: RedisStreamsBroker, start_worker: StartWorker, delays: tuple[Any, Any], note: Note, seen: list[Any]
) -> None:
    for number, delay in enumerate(delays):
        note.send_with_options(args=(number,), delay=delay)

    start_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    assert seen == [1, 0]


@pytest.mark.parametrize("eta", ["not-a-number", None, 0, 1.5])
def test_a_message_of_another_sender_may_have_any_eta(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis, eta: object
) -> None:
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(1)

    # Past the broker, which would have turned it into a delay.
    redis_client.xadd("default", {b"m": note.message_with_options(eta=eta).encode()})

    wait_for(lambda: seen == [1])
    broker.join("default", timeout=10_000)
    assert seen == [1]


@pytest.mark.parametrize("whose", ["the actor's", "the message's"])
def test_a_message_that_came_too_late_is_skipped(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis, whose: str
) -> None:
    skipped = []

    class Listener(dramatiq.Middleware):
        def after_skip_message(self, broker: dramatiq.Broker, message: Any) -> None:
            skipped.append(type(message._exception))

    broker.add_middleware(Listener())
    limit: dict[str, Any] = {"max_age": 1}

    ran: list[int] = []
    work = dramatiq.actor(actor_name="work", **(limit if whose == "the actor's" else {}))(lambda: ran.append(1))

    sent = work.send_with_options(**({} if whose == "the actor's" else limit))
    wait_for(lambda: time.time() * 1000 > sent.message_timestamp + 2)

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert (ran, skipped) == ([], [SkipMessage])
    assert len(dead_letters(redis_client, broker)) == 1


def test_a_rate_limit_is_no_error_in_the_log(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    @dramatiq.actor(max_retries=0)
    def work() -> None:
        raise RateLimitExceeded("exceeded")  # type: ignore[no-untyped-call]  # theirs

    work.send()

    broker.join("default", timeout=10_000)
    assert "Rate limit exceeded in message" in caplog.text
    assert "unhandled exception" not in caplog.text


def test_the_current_message_is_the_one_that_was_sent(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    broker.add_middleware(CurrentMessage())
    seen: list[Any] = []

    @dramatiq.actor
    def note(number: int) -> None:
        current: Any = CurrentMessage.get_current_message()
        seen.append(current.copy())

    sent = [note.send(number) for number in range(5)]

    broker.join("default", timeout=10_000)
    assert sorted(seen, key=lambda one: one.args) == sent
    assert CurrentMessage.get_current_message() is None


def test_a_fetched_message_looks_like_the_one_that_was_sent(broker: RedisStreamsBroker) -> None:
    @dramatiq.actor
    def note(name: str) -> None:
        """Never run here."""

    sent = note.send("input")
    consumer = broker.consume("default", timeout=1_000)
    seen: list[Any] = []

    def came() -> bool:
        seen.append(next(consumer))
        return seen[-1] is not None

    wait_for(came)
    fetched = seen[-1]

    assert str(fetched) == str(sent)
    assert repr(sent) in repr(fetched)
    assert fetched.asdict() == sent.asdict()
    assert fetched.encode() == sent.encode()
    consumer.close()


def test_signals_are_not_blocked_where_actors_run_and_messages_are_read(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    masks = {}

    class Listener(dramatiq.Middleware):
        def before_ack(self, broker: dramatiq.Broker, message: Any) -> None:
            masks[threading.current_thread().name] = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    broker.add_middleware(Listener())

    @dramatiq.actor
    def note() -> None:
        masks["actor"] = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    note.send()

    wait_for(lambda: len(masks) == 2)
    assert set(map(frozenset, masks.values())) == {frozenset()}
