"""Dramatiq's own commands for real, by threads and by greenlets: what holds for one holds for the other."""

import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.message import Message
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import RedisBackend

from broker import RedisStreamsBroker
from broker.keys import SHELF
from tests.broker.looks import consumers, dead_letters, hasten, message, pending
from tests.broker.processes import Start, command, end, heeds, tell
from tests.broker.servers import Server, versions, wait_for

# Dramatiq's own are untyped.
composition: Any = dramatiq.composition
results: Any = Results
limiter: Any = LimiterBackend

#: Workers of threads, and of greenlets.
COMMANDS = ("dramatiq", "dramatiq-gevent")

#: Start a worker process with that many threads or greenlets; keywords as for `Start`.
Work = Callable[..., subprocess.Popen[bytes]]
Diary = Callable[[str], list[str]]

# One version is enough: what differs here is the process, not Redis.
pytestmark = pytest.mark.parametrize("version", [max(versions())], indirect=True)


@pytest.fixture
def start_command(start: Start) -> Callable[[str], Work]:
    """Make what starts workers by one of the commands."""

    def make(name: str) -> Work:
        def begin(threads: int = 4, **variables: object) -> subprocess.Popen[bytes]:
            words = ("tests.broker.program", "--processes", "1", "--threads", str(threads))
            return start(command(name), *words, **{"lease_ms": 15_000, **variables})

        return begin

    return make


@pytest.fixture(params=COMMANDS)
def work(request: pytest.FixtureRequest, start_command: Callable[[str], Work]) -> Work:
    """Start workers of threads, or of greenlets."""
    return start_command(request.param)


def send(broker: RedisStreamsBroker, actor: str, *args: object, **options: int) -> Message[Any]:
    """Send a message for one of the program's actors."""
    return broker.enqueue(message(actor, *args), **options)


def stop(worker: subprocess.Popen[bytes]) -> None:
    """The worker was told to stop, and has ended well."""
    tell(worker, signal.SIGTERM)
    assert worker.wait(30) == 0


def test_as_many_tasks_run_at_once_as_was_asked_for(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    worker = work(threads=20)

    for number in range(20):
        send(broker, "gather", str(number))
    wait_for(lambda: len(diary("started")) == 20, what="all of them running")
    redis_client.set("go", 1)

    broker.join("default", timeout=20_000)
    assert sorted(diary("ended"), key=int) == [str(number) for number in range(20)]
    stop(worker)


def test_retries_and_delays_beside_each_other_are_all_done_once(
    work: Work, broker: RedisStreamsBroker, diary: Diary
) -> None:
    work()

    for number in range(40):
        send(broker, "stumble", str(number), number % 4, delay=number * 5)

    broker.join("default", timeout=30_000)
    assert sorted(diary("ended"), key=int) == [str(number) for number in range(40)]
    assert [len(diary(f"runs of {number}")) for number in range(40)] == [1 + number % 4 for number in range(40)]


def test_a_delayed_message_waits_for_its_time_and_no_other_waits_for_it(
    work: Work, broker: RedisStreamsBroker, diary: Diary
) -> None:
    work(threads=1)
    send(broker, "hold", "first", 0)
    wait_for(lambda: diary("ended") == ["first"], what="the worker's start")
    began = time.monotonic()

    send(broker, "hold", "third", 0, delay=600)
    send(broker, "hold", "second", 0, delay=300)

    wait_for(lambda: diary("ended") == ["first", "second", "third"])
    assert time.monotonic() - began >= 0.59


def test_a_task_past_its_time_limit_is_interrupted_and_others_go_on(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    work(threads=1)

    send(broker, "overrun", "long")
    send(broker, "hold", "next", 0)

    wait_for(lambda: diary("ended") == ["next"])
    broker.join("default", timeout=10_000)
    assert diary("interrupted") == ["long"]
    assert [letter["error"].split(b":")[0] for letter in dead_letters(redis_client, broker)] == [b"TimeLimitExceeded"]


def test_a_task_is_told_that_its_worker_stops_and_runs_again_in_another(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    worker = work()
    send(broker, "stay", "task")
    wait_for(lambda: diary("started") == ["task"])

    stop(worker)

    assert diary("told") == ["task"]
    assert consumers(redis_client, broker) == set()
    work()
    wait_for(lambda: diary("ended") == ["task"])
    broker.join("default", timeout=10_000)
    assert diary("started") == ["task", "task"]


def test_results_pipelines_and_groups_come_back_to_the_sender(
    work: Work, server: Server, broker: RedisStreamsBroker, diary: Diary
) -> None:
    broker.add_middleware(results(backend=RedisBackend(url=server.url)))
    broker.add_middleware(GroupCallbacks(limiter(url=server.url)))
    work()

    piped = composition.pipeline([message("add", 1, 2), message("add", 3), message("add", 4)]).run()
    group = composition.group([message("add", number, 1) for number in range(10)])
    group.add_completion_callback(message("finish", "group"))
    group.run()
    refused = send(broker, "refuse")

    assert list(piped.get_results(block=True, timeout=20_000)) == [3, 6, 10]
    assert list(group.get_results(block=True, timeout=20_000)) == list(range(1, 11))
    with pytest.raises(ResultFailure, match="ValueError: never"):
        refused.get_result(block=True, timeout=20_000)
    wait_for(lambda: diary("finished") == ["group"])


def test_what_a_killed_worker_held_is_done_by_another(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    doomed = work(threads=2, lease_ms=1_000)
    for number in range(6):
        send(broker, "gather", str(number))
    wait_for(lambda: len(diary("started")) == 2 and sum(pending(redis_client, broker).values()) >= 3)

    end(doomed)
    redis_client.set("go", 1)
    work(lease_ms=1_000)

    wait_for(lambda: len(diary("ended")) == 6, what="taking over")
    broker.join("default", timeout=10_000)
    assert sorted(diary("ended"), key=int) == [str(number) for number in range(6)]


def test_long_tasks_are_not_taken_from_living_workers(
    start_command: Callable[..., Work], broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    # Another would take them within a lease and a sweep, 5 s.
    threads, greenlets = (partial(start_command(name), lease_ms=3_000) for name in COMMANDS)
    send(broker, "spin", "busy")
    threads(threads=2)
    wait_for(lambda: diary("started") == ["busy"])
    # More than the first may hold.
    names = [str(number) for number in range(8)]
    for name in names:
        send(broker, "gather", name)
    greenlets(threads=2)
    wait_for(lambda: len(diary("started")) == 4, what="two tasks in each", timeout_s=60)

    threads()
    send(broker, "hold", "meanwhile", 0, delay=5_200)
    wait_for(lambda: "meanwhile" in diary("ended"), timeout_s=60)
    redis_client.set("go", 1)

    broker.join("default", timeout=20_000)
    assert sorted(diary("started")) == [*names, "busy", "meanwhile"]


def test_a_paused_queue_rests_until_it_is_resumed(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    work()
    send(broker, "hold", "before", 0)
    wait_for(lambda: diary("ended") == ["before"])

    broker.pause("default")
    for number in range(3):
        send(broker, "hold", str(number), 0)
    # A blocked reader is woken by them, and hands them back.
    wait_for(lambda: not any(one["cmd"] == "xreadgroup" for one in redis_client.client_list()), what="resting")

    wait_for(lambda: set(pending(redis_client, broker)) <= {SHELF})
    assert diary("started") == ["before"]
    broker.resume("default")
    broker.join("default", timeout=10_000)
    assert sorted(diary("ended")) == ["0", "1", "2", "before"]


def test_a_worker_goes_on_when_all_its_connections_broke(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    work()
    send(broker, "hold", "before", 0)
    wait_for(lambda: diary("ended") == ["before"])

    for number in range(3):
        redis_client.client_kill_filter(_type="normal", skipme=True)
        # This broker's own connection broke, too.
        wait_for(partial(sent, broker, f"after {number}"), what="sending")
        wait_for(partial(lambda name: name in diary("ended"), f"after {number}"))

    broker.join("default", timeout=20_000)


def sent(broker: RedisStreamsBroker, name: str) -> bool:
    """Try to send; tell whether it was."""
    try:
        send(broker, "stumble", name, 0)
    except dramatiq.errors.BrokerConnectionError:
        return False
    return True


def test_a_worker_that_is_told_to_reload_loses_nothing(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    worker = work()
    send(broker, "hold", "running", 1)
    wait_for(lambda: diary("started") == ["running"])
    before = consumers(redis_client, broker)
    send(broker, "hold", "delayed", 0, delay=60_000)

    wait_for(lambda: heeds(worker.pid, signal.SIGHUP))
    worker.send_signal(signal.SIGHUP)
    wait_for(lambda: not before & consumers(redis_client, broker), what="the end of the old process")
    hasten(redis_client, broker)
    send(broker, "hold", "new", 0)

    wait_for(lambda: sorted(diary("ended")) == ["delayed", "new", "running"], what="the new process")
    broker.join("default", timeout=10_000)
    assert len(consumers(redis_client, broker)) == 1
    stop(worker)


def test_a_worker_drains_however_often_it_is_told_to_stop_and_leaves_what_is_not_due(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary
) -> None:
    worker = work()
    send(broker, "hold", "for another", 0, delay=60_000)
    send(broker, "hold", "running", 0.7)
    wait_for(lambda: diary("started") == ["running"])

    for _ in range(3):
        tell(worker, signal.SIGTERM)

    assert worker.wait(30) == 0
    assert diary("ended") == ["running"]
    assert consumers(redis_client, broker) == set()
    hasten(redis_client, broker)
    work()
    wait_for(lambda: diary("ended") == ["running", "for another"], what="what was not due")
    broker.join("default", timeout=10_000)
    assert dead_letters(redis_client, broker) == []


@pytest.mark.parametrize(
    ("work", "words"), [("dramatiq", ("spin", "long")), ("dramatiq-gevent", ("hold", "long", 600))], indirect=["work"]
)
def test_a_message_that_runs_in_threads_or_greenlets_is_cancelled(
    work: Work, broker: RedisStreamsBroker, redis_client: redis.Redis, diary: Diary, words: tuple[Any, ...]
) -> None:
    worker = work(threads=1)
    sent = send(broker, *words)
    wait_for(lambda: diary("started"))

    assert broker.cancel("default", sent.message_id) == "held"
    send(broker, "hold", "next", 0)

    wait_for(lambda: diary("ended"))
    stop(worker)
    assert diary("ended") == ["next"]
    assert dead_letters(redis_client, broker) == []
