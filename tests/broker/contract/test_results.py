"""Results reach whoever waits for them: values, failures, of pipelines and of groups."""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import GroupCallbacks, Middleware, SkipMessage
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import ResultFailure, ResultMissing, Results, ResultTimeout
from dramatiq.results.backends import RedisBackend

from broker import RedisStreamsBroker, Retries
from tests.broker.conftest import Note
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


def test_a_failure_is_given_as_often_as_it_is_asked_for(storing: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(store_results=True, max_age=1)
    def work() -> None:
        raise AssertionError

    sent = work.send_with_options(delay=20)

    for _ in range(2):
        with pytest.raises(ResultFailure, match="SkipMessage: Message age limit exceeded"):
            sent.get_result(block=True, timeout=10_000)
    storing.join("default", timeout=10_000)
    with pytest.raises(ResultFailure, match="SkipMessage: Message age limit exceeded"):
        sent.get_result()


def test_a_message_that_was_skipped_and_not_failed_has_no_result_but_an_end(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    class Skipper(Middleware):
        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            raise SkipMessage("no")

    storing.add_middleware(Skipper())

    @dramatiq.actor(store_results=True)
    def work() -> int:
        raise AssertionError

    sent = work.send()

    assert sent.get_result(block=True, timeout=10_000) is None
    assert sent.get_result() is None


def test_a_result_that_is_not_there_yet_is_missing_and_waiting_for_it_times_out(
    storing: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    release = threading.Event()

    @dramatiq.actor(store_results=True)
    def work() -> int:
        assert release.wait(20)
        return 42

    sent = work.send()

    with pytest.raises(ResultMissing):
        sent.get_result()
    with pytest.raises(ResultTimeout):
        sent.get_result(block=True, timeout=100)
    release.set()
    assert sent.get_result(block=True, timeout=10_000) == 42


def test_a_result_can_be_had_from_its_backend_and_from_whoever_knows_the_message(
    storing: RedisStreamsBroker, backend: RedisBackend, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor(store_results=True)
    def work() -> dict[str, list[int]]:
        return {"numbers": [1, 2]}

    sent = work.send()

    assert backend.get_result(sent, block=True, timeout=10_000) == {"numbers": [1, 2]}
    assert sent.get_result(backend=backend) == {"numbers": [1, 2]}
    assert dramatiq.Message.decode(sent.encode()).get_result() == {"numbers": [1, 2]}


def test_results_without_a_backend_are_asked_for_in_vain(broker: RedisStreamsBroker) -> None:
    @dramatiq.actor
    def work() -> None:
        """Never run here."""

    with pytest.raises(RuntimeError, match="backend"):
        work.send().get_result()


def test_a_result_that_nobody_stores_is_warned_of_unless_it_is_piped_on(
    broker: RedisStreamsBroker, backend: RedisBackend, worker: dramatiq.Worker, caplog: pytest.LogCaptureFixture
) -> None:
    @dramatiq.actor
    def nothing(*numbers: int) -> None:
        pass

    @dramatiq.actor
    def one() -> int:
        return 1

    nothing.send()
    composition.pipeline([one.message(), nothing.message()]).run()
    broker.join("default", timeout=10_000)
    assert "discarded" not in caplog.text

    one.send()
    broker.join("default", timeout=10_000)
    assert "Consider adding the Results middleware" in caplog.text
    caplog.clear()

    broker.add_middleware(results(backend=backend))
    one.send()
    broker.join("default", timeout=10_000)
    assert "the value has been discarded" in caplog.text


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
    server: Server, broker: RedisStreamsBroker, worker: dramatiq.Worker, note: Note, seen: list[Any]
) -> None:
    limiter: Any = LimiterBackend
    broker.add_middleware(GroupCallbacks(limiter(url=server.url)))

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
