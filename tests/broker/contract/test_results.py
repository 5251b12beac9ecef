"""Results reach whoever waits for them: values, failures, of pipelines and of groups."""

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import ResultFailure, ResultMissing, Results
from dramatiq.results.backends import RedisBackend

from broker import RedisStreamsBroker, Retries
from tests.broker.servers import Server, wait_for

# Dramatiq's own are untyped, and a piped message gets its argument from the one before.
composition: Any = dramatiq.composition
results: Any = Results

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def backend(server: Server) -> RedisBackend:
    """Where results are kept."""
    return RedisBackend(url=server.url)


@pytest.fixture(params=["before retries", "after retries"])
def storing(request: pytest.FixtureRequest, broker: RedisStreamsBroker, backend: RedisBackend) -> RedisStreamsBroker:
    """A broker that stores results, in middleware before or after that of retries."""
    place = {"before": Retries} if request.param == "before retries" else {"after": Retries}
    broker.add_middleware(results(backend=backend), **place)
    return broker


def test_a_result_is_what_the_actor_returned_after_its_retries(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    runs = []

    @dramatiq.actor(store_results=True, min_backoff=1, max_backoff=5)
    def work() -> int:
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError
        return 42

    sent = work.send()

    storing.join("default", timeout=10_000)
    assert sent.get_result(block=True, timeout=10_000) == 42
    assert len(runs) == 3


def test_the_result_of_a_message_that_failed_for_good_says_why(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor(store_results=True, max_retries=1, min_backoff=1, max_backoff=5)
    def fail() -> None:
        raise ValueError("never")

    sent = fail.send()

    storing.join("default", timeout=10_000)
    with pytest.raises(ResultFailure, match="ValueError: never") as caught:
        sent.get_result(block=True, timeout=10_000)
    assert caught.value.orig_exc_type == "ValueError"


def test_nothing_is_stored_for_actors_that_do_not_ask_for_it(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor
    def work() -> int:
        return 1

    sent = work.send()

    storing.join("default", timeout=10_000)
    with pytest.raises(ResultMissing):
        sent.get_result()


def test_a_pipeline_hands_on_results_and_stops_at_a_failure(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen = []

    @dramatiq.actor(store_results=True, max_retries=0)
    def add(a: int, b: int) -> int:
        seen.append((a, b))
        if a == 0:
            raise ValueError("nothing to add to")
        return a + b

    message: Any = add.message
    good = (message(1, 2) | message(3) | message(4)).run()
    assert good.get_result(block=True, timeout=10_000) == 10
    assert list(good.get_results(block=True, timeout=10_000)) == [3, 6, 10]

    bad = composition.pipeline([message(1, 2), message(0), message(5)]).run()
    storing.join("default", timeout=10_000)
    with pytest.raises(ResultFailure):
        bad.messages[1].get_result(block=True, timeout=10_000)
    assert len(seen) == 5


def test_a_pipelines_later_steps_may_be_delayed_and_ignore_results(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen = []

    @dramatiq.actor(store_results=True)
    def note(*numbers: int) -> int:
        seen.append(numbers)
        return numbers[0]

    steps = [note.message(1), note.message_with_options(args=(2,), pipe_ignore=True), note.message(3)]
    composition.pipeline(steps).run(delay=50)

    wait_for(lambda: len(seen) == 3)
    assert seen == [(1,), (2,), (3, 2)]


def test_a_group_of_pipelines_gives_a_result_for_each(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(store_results=True)
    def double(number: int) -> int:
        return number * 2

    message: Any = double.message
    group = composition.group([composition.pipeline([message(number), message()]) for number in range(4)]).run()

    assert list(group.get_results(block=True, timeout=10_000)) == [0, 4, 8, 12]
    assert group.completed
    assert group.completed_count == 4


def test_a_groups_callback_runs_once_when_all_of_it_is_done(
    server: Server, broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    limiter: Any = LimiterBackend
    broker.add_middleware(GroupCallbacks(limiter(url=server.url)))
    seen: list[object] = []

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    @dramatiq.actor
    def finish() -> None:
        seen.append("done")

    group = composition.group([note.message(number) for number in range(5)])
    group.add_completion_callback(finish.message())
    group.run()

    wait_for(lambda: "done" in seen)
    broker.join("default", timeout=10_000)
    assert sorted(map(str, seen)) == ["0", "1", "2", "3", "4", "done"]
    assert seen[-1] == "done"
