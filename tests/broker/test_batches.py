"""Batch actors: what waits is run in one call, and each message has its own hooks, context and end."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import dramatiq
import redis
from dramatiq.middleware import Middleware, SkipMessage

from broker import Call, RedisStreamsBroker, Reschedule
from broker.keys import GROUP
from broker.trace import TraceContext, current
from tests.broker.looks import dead_letters, message
from tests.broker.servers import wait_for

StartWorker = Callable[..., dramatiq.Worker]
Act = Callable[[Any], Any]


class Desk:
    """A batch actor that notes its calls and holds each until its gate is open."""

    def __init__(self, broker: RedisStreamsBroker, *, act: Act = lambda _: None, **options: Any) -> None:
        self.gate = threading.Event()
        self.batches: list[list[Any]] = []
        self._act = act
        self.actor = dramatiq.actor(broker=broker, actor_name="desk", **({"batch": 64} | options))(self._run)

    def _run(self, calls: Sequence[Call]) -> list[Any]:
        self.batches.append([call.args[0] for call in calls])
        assert self.gate.wait(30)
        return [call.context.run(self._act, call.args[0]) for call in calls]

    def send(self, *numbers: Any) -> None:
        for number in numbers:
            self.actor.send(number)

    def send_late(self, broker: RedisStreamsBroker, redis_client: redis.Redis, *numbers: int) -> None:
        """Send these while the first of them is being run, and then open the gate."""
        first, *others = numbers
        self.send(first)
        wait_for(lambda: self.batches == [[first]], what="the first one's turn")
        self.send(*others)
        wait_for(lambda: held(redis_client, broker) == len(numbers), what="the others")
        self.gate.set()
        broker.join("default", timeout=20_000)


def test_what_comes_while_a_batch_is_run_is_the_next_one(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    desk = Desk(broker)

    desk.send_late(broker, redis_client, 1, 2, 3, 4)

    assert sorted(map(sorted, desk.batches)) == [[1], [2, 3, 4]]
    wait_for(lambda: worker.work_queue.unfinished_tasks == 0)


def test_a_batch_has_its_bounds(broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker) -> None:
    desk = Desk(broker, batch=2)

    desk.send_late(broker, redis_client, 1, 2, 3, 4)

    assert [len(batch) for batch in desk.batches] == [1, 2, 1]


def test_as_much_is_fetched_as_a_batch_may_have(
    broker: RedisStreamsBroker, redis_client: redis.Redis, start_worker: StartWorker
) -> None:
    desk = Desk(broker)
    start_worker(broker, threads=1)

    desk.send_late(broker, redis_client, *range(60))

    assert len(desk.batches[1]) > 2  # What one thread has fetched for it otherwise.


def test_other_actors_run_beside_a_batch(broker: RedisStreamsBroker, seen: list[Any], note: Any) -> None:
    desk = Desk(broker)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=10)
    worker.start()
    desk.send(1)
    wait_for(lambda: desk.batches == [[1]])

    desk.send(2)
    note.send("beside")

    wait_for(lambda: seen == ["beside"])
    assert desk.batches == [[1]]
    desk.gate.set()
    worker.stop()


def test_one_that_fails_is_a_dead_letter_alone(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    def act(number: int) -> Any:
        return ValueError("not three") if number == 3 else None

    desk = Desk(broker, act=act, max_retries=0)

    desk.send_late(broker, redis_client, 1, 2, 3, 4)

    [letter] = dead_letters(redis_client, broker)
    assert letter["error"] == b"ValueError: not three"
    assert len(desk.batches) == 2


def test_when_a_batch_raises_its_messages_are_run_one_by_one(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    def act(number: int) -> None:
        if number == 3:
            raise ValueError("not three")

    desk = Desk(broker, act=act, max_retries=1, min_backoff=1, max_backoff=1)

    desk.send_late(broker, redis_client, 1, 2, 3, 4)

    assert sorted(map(tuple, desk.batches[2:5])) == [(2,), (3,), (4,)]
    # And its retry.
    assert desk.batches[5:] == [[3]]
    assert len(dead_letters(redis_client, broker)) == 1


def test_an_actor_that_returns_too_little_has_failed(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor(broker=broker, batch=8, max_retries=0)
    def careless(calls: Sequence[Call]) -> list[None]:
        return []

    careless.send()  # type: ignore[call-arg]  # The message's arguments are not the function's.
    broker.join("default", timeout=20_000)

    assert len(dead_letters(redis_client, broker)) == 1


def test_a_whole_batch_is_offered_again_without_counting_a_retry(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    away = iter([True, False])

    @dramatiq.actor(broker=broker, actor_name="patient", batch=8, max_retries=0)
    def patient(calls: Sequence[Call]) -> list[None]:
        if next(away, False):
            raise Reschedule(1)
        return [None] * len(calls)

    broker.enqueue_many(message("patient", number) for number in range(3))
    broker.join("default", timeout=20_000)

    assert dead_letters(redis_client, broker) == []


def test_each_message_has_a_context_of_its_own(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    broker.add_middleware(TraceContext())
    seen: dict[int, str | None] = {}

    def act(number: int) -> None:
        trace = current()
        seen[number] = trace.trace_id[-1] if trace else None

    desk = Desk(broker, act=act)
    desk.gate.set()
    broker.enqueue_many(
        message("desk", number, traceparent=f"00-{number:032x}-{number:016x}-01") if number else message("desk", 0)
        for number in range(4)
    )
    broker.join("default", timeout=20_000)

    assert seen == {0: None, 1: "1", 2: "2", 3: "3"}


class Bouncer(Middleware):
    """Lets nobody in whose number is odd, and notes how messages end."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, int]] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        if message.args[0] % 2:
            raise SkipMessage

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.ends.append(("run", message.args[0]))

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.ends.append(("skipped", message.args[0]))

    def after_ack(self, broker: Any, message: Any) -> None:
        self.ends.append(("done", message.args[0]))


def test_what_middleware_skips_is_not_run_and_is_done(
    broker: RedisStreamsBroker, redis_client: redis.Redis, worker: dramatiq.Worker
) -> None:
    broker.add_middleware(bouncer := Bouncer())
    desk = Desk(broker)

    desk.send_late(broker, redis_client, 2, 3, 4, 5)

    assert sorted(number for batch in desk.batches for number in batch) == [2, 4]
    wait_for(lambda: len(bouncer.ends) == 8)
    assert sorted(bouncer.ends) == [
        *(("done", number) for number in (2, 3, 4, 5)),
        *(("run", number) for number in (2, 4)),
        *(("skipped", number) for number in (3, 5)),
    ]


def test_what_was_set_aside_is_handed_back_when_the_worker_stops(
    broker: RedisStreamsBroker, redis_client: redis.Redis, start_worker: StartWorker
) -> None:
    desk = Desk(broker, batch=2)
    stopped = start_worker(broker)
    desk.send(1)  # What follows is set aside.
    wait_for(lambda: desk.batches == [[1]])
    desk.send(2, 3, 4, 5)
    wait_for(lambda: held(redis_client, broker) == 5)

    stopping = threading.Thread(target=stopped.stop)
    stopping.start()
    wait_for(lambda: sum(thread.is_alive() for thread in stopped.workers) == 1, what="the end of the idle ones")
    desk.gate.set()
    stopping.join(30)

    assert desk.batches == [[1]]
    start_worker(broker)
    broker.join("default", timeout=20_000)
    assert sorted(number for batch in desk.batches for number in batch) == [1, 2, 3, 4, 5]


def held(client: redis.Redis, broker: RedisStreamsBroker) -> int:
    """Return how many messages workers hold."""
    found: Any = client.xpending(broker.keys("default").lane(""), GROUP)
    return int(found["pending"])
