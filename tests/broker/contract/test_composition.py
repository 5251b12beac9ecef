"""Pipelines, groups and callbacks: one message after another, many beside each other, and what comes of their end."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.middleware import GroupCallbacks, Middleware
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import Results, ResultTimeout
from dramatiq.results.backends import RedisBackend

from broker import RedisStreamsBroker
from tests.broker.servers import Server, wait_for

# Dramatiq's own are untyped, and a piped message gets its argument from the one before.
composition: Any = dramatiq.composition
results: Any = Results
limiter: Any = LimiterBackend

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def storing(server: Server, broker: RedisStreamsBroker) -> RedisStreamsBroker:
    """A broker that stores results."""
    broker.add_middleware(results(backend=RedisBackend(url=server.url)))
    return broker


@pytest.fixture
def calling(server: Server, broker: RedisStreamsBroker) -> RedisStreamsBroker:
    """A broker that knows when groups are done."""
    broker.add_middleware(GroupCallbacks(limiter(url=server.url)))
    return broker


def adder() -> Any:
    """Declare an actor that adds two numbers; return it."""

    @dramatiq.actor(store_results=True)
    def add(x: int, y: int) -> int:
        return x + y

    return add


def gate() -> tuple[Any, list[threading.Event]]:
    """Declare an actor that waits for the event with its number; return both."""
    events = [threading.Event() for _ in range(3)]

    @dramatiq.actor(store_results=True)
    def wait(number: int) -> int:
        assert events[number].wait(20)
        return number + 1

    return wait, events


def counts(composed: Any, number: int) -> bool:
    """Tell whether so many messages of a pipeline or group are completed."""
    return bool(composed.completed_count == number)


def test_pipelines_are_flattened_and_each_message_names_the_next(storing: RedisStreamsBroker) -> None:
    message = adder().message

    pipe = composition.pipeline([message(1, 2), message(3) | message(4), message(5)])

    assert [one.args for one in pipe.messages] == [(1, 2), (3,), (4,), (5,)]
    targets = [one.options.get("pipe_target") for one in pipe.messages]
    assert targets == [one.asdict() for one in pipe.messages[1:]] + [None]


def test_a_pipeline_counts_what_is_completed(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    wait, events = gate()

    pipe = (wait.message(0) | wait.message() | wait.message()).run()

    for number, event in enumerate(events):
        assert pipe.completed_count == number
        assert not pipe.completed
        event.set()
        wait_for(partial(counts, pipe, number + 1))
    assert pipe.completed
    assert list(pipe.get_results()) == [1, 2, 3]


def test_a_pipeline_without_a_worker_is_not_completed(storing: RedisStreamsBroker) -> None:
    message = adder().message

    pipe = (message(1, 2) | message(3)).run()

    assert not pipe.completed
    assert pipe.completed_count == 0


def test_waiting_for_a_pipeline_times_out(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    wait, events = gate()

    pipe = (wait.message(0) | wait.message()).run()

    with pytest.raises(ResultTimeout):
        list(pipe.get_results(block=True, timeout=100))
    for event in events:
        event.set()
    assert pipe.get_result(block=True, timeout=10_000) == 2


@pytest.mark.parametrize(
    ("first", "second", "whole", "delayed"),
    [
        (None, None, 60_000, 0),
        (60_000, None, None, 0),
        (10, None, 60_000, 0),
        (60_000, None, 10, 0),
        (None, 60_000, None, 1),
    ],
)
def test_a_pipeline_waits_for_the_longest_delay_of_its_next_message(
    storing: RedisStreamsBroker,
    worker: dramatiq.Worker,
    redis_client: redis.Redis,
    first: int | None,
    second: int | None,
    whole: int | None,
    delayed: int,
) -> None:
    add = adder()
    options = [{} if delay is None else {"delay": delay} for delay in (first, second)]

    pipe = add.message_with_options(args=(1, 2), **options[0]) | add.message_with_options(args=(3,), **options[1])
    pipe.run(delay=whole)

    wait_for(lambda: pipe.completed_count == delayed and redis_client.zcard(storing.keys("default").delayed) == 1)
    upcoming: Any = redis_client.zrange(storing.keys("default").delayed, 0, -1, withscores=True)
    assert upcoming[0][1] / 1000 - redis_client.time()[0] > 30
    assert redis_client.xlen("default") == 0


def test_a_pipeline_ends_at_a_message_that_middleware_failed(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    class Failing(Middleware):
        def after_process_message(self, broker: dramatiq.Broker, message: Any, **outcome: Any) -> None:
            message.fail()

    seen = []
    broker.add_middleware(Failing())
    first = dramatiq.actor(actor_name="first")(lambda: seen.append("first"))
    second = dramatiq.actor(actor_name="second")(lambda: seen.append("second"))

    composition.pipeline([first.message_with_options(pipe_ignore=True), second.message()]).run()

    broker.join("default", timeout=10_000)
    assert seen == ["first"]


def test_a_pipeline_goes_on_in_another_queue_and_lane(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(store_results=True, queue_name="numbers", priority=-5)
    def double(number: int) -> int:
        return number * 2

    @dramatiq.actor(store_results=True, queue_name="texts", priority=5)
    def spell(number: int) -> str:
        return f"number {number}"

    message: Any = double.message
    spelt: Any = spell.message

    pipe = (message(2) | message() | spelt()).run()

    assert pipe.get_result(block=True, timeout=10_000) == "number 8"


def test_the_messages_of_a_group_run_beside_each_other(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    meeting = threading.Barrier(5)

    @dramatiq.actor(store_results=True)
    def meet() -> bool:
        meeting.wait(20)
        return True

    group = composition.group([meet.message() for _ in range(5)]).run()

    assert list(group.get_results(block=True, timeout=20_000)) == [True] * 5
    assert len(group) == 5
    assert group.completed


def test_groups_of_groups_give_results_of_results(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    message = adder().message
    inner = [composition.group([message(number, 1), message(number, 2)]) for number in range(3)]

    group = composition.group(inner).run()

    assert list(group.get_results(block=True, timeout=10_000)) == [[1, 2], [2, 3], [3, 4]]
    assert group.completed


def test_a_group_counts_what_is_completed_in_any_order(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    wait, events = gate()

    group = composition.group([wait.message(number) for number in range(3)]).run()

    with pytest.raises(ResultTimeout):
        group.wait(timeout=100)
    for count, number in enumerate((1, 2, 0)):
        assert group.completed_count == count
        assert not group.completed
        events[number].set()
        wait_for(partial(counts, group, count + 1))
    assert group.completed
    assert list(group.get_results()) == [1, 2, 3]


def test_a_group_may_be_delayed_as_a_whole(storing: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    message = adder().message

    composition.group([message(1, 2), message(3, 4)]).run(delay=60_000)

    assert redis_client.zcard(storing.keys("default").delayed) == 2
    assert redis_client.xlen("default") == 0


def test_a_group_with_a_callback_needs_the_middleware_for_it(broker: RedisStreamsBroker) -> None:
    nothing = dramatiq.actor(actor_name="nothing")(lambda: None)
    group = composition.group([nothing.message()])
    group.add_completion_callback(nothing.message())

    with pytest.raises(RuntimeError, match="GroupCallbacks"):
        group.run()


def test_the_callback_of_a_group_of_pipelines_waits_for_their_ends(
    calling: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen: list[object] = []
    runs: list[int] = []

    @dramatiq.actor(min_backoff=1, max_backoff=5)
    def note(number: int) -> int:
        runs.append(number)
        if len(runs) == 1:
            raise RuntimeError
        seen.append(number)
        return number + 10

    @dramatiq.actor
    def finish(word: str) -> None:
        seen.append(word)

    message: Any = note.message
    group = composition.group([message(1) | message(), message(2)])
    group.add_completion_callback(finish.message("all of it"))
    group.run()

    wait_for(lambda: "all of it" in seen)
    calling.join("default", timeout=10_000)
    assert sorted(map(str, seen)) == ["1", "11", "2", "all of it"]
    assert seen[-1] == "all of it"


def test_a_failure_is_told_each_time_with_the_number_of_retries(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    told = []

    @dramatiq.actor
    def hear(message: dict[str, Any], error: dict[str, str]) -> None:
        told.append((message["options"]["retries"], error["type"], error["message"]))

    @dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=5, on_failure=hear.actor_name)
    def fail() -> None:
        raise RuntimeError("no")

    fail.send()

    broker.join("default", timeout=10_000)
    assert sorted(told) == [(number, "RuntimeError", "no") for number in (1, 2, 3, 4)]


def test_a_success_is_told_to_an_actor_and_to_nothing_else(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    told = []

    @dramatiq.actor
    def hear(message: dict[str, Any], result: int) -> None:
        told.append((message["args"], result))

    @dramatiq.actor
    def double(number: int) -> int:
        return number * 2

    # Beside its own type, to see what it does with it.
    anything: Any = double
    with pytest.raises(TypeError):
        anything.send_with_options(args=(1,), on_success=lambda message, result: None)
    anything.send_with_options(args=(2,), on_success=hear)

    broker.join("default", timeout=10_000)
    assert told == [([2], 4)]
