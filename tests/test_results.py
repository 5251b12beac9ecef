"""The hub: whoever waits is woken, also by an answer that comes between two of his steps."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from app import messages
from app.models.base import new_id
from app.models.requests import State
from app.models.standings import Outcome, Standing
from app.platform import Platform
from app.redis import connect, stream_key
from app.results import RECHECK_S, Hub
from app.rules import Finding
from app.settings import Settings
from ops.embedded import RedisServer
from tests.processes import wait_for

#: Far less than a waiter's own re-check, so that an answer this quick can only come from a notice.
QUICK_S = RECHECK_S / 2


def test_a_notice_wakes_whoever_waits_for_this_request(platform: Platform) -> None:
    request_id = new_id()
    answers: list[str] = []

    def finish() -> None:
        answers.append("done")
        platform.notices.tell({request_id: b""})

    with platform.hub.watch(request_id) as watch:
        threading.Timer(0.1, finish).start()
        started = time.monotonic()
        answer = watch.until(lambda: answers[0] if answers else None, timeout_s=20)

    assert answer == "done"
    assert time.monotonic() - started < QUICK_S


def test_an_answer_that_comes_while_the_waiter_reads_is_not_missed(platform: Platform) -> None:
    """The race: the answer and its notice arrive after the read began and before the wait begins."""
    request_id = new_id()
    answers: list[str] = []
    reads = 0

    def slow_read() -> str | None:
        nonlocal reads
        reads += 1
        seen = answers[0] if answers else None
        if reads == 1:
            answers.append("done")
            platform.notices.tell({request_id: b""})
            # Give the hub all the time it needs to pass the notice on before this read returns.
            wait_for(lambda: watch._event.is_set(), timeout_s=5, what="the notice")
        return seen

    with platform.hub.watch(request_id) as watch:
        started = time.monotonic()
        answer = watch.until(slow_read, timeout_s=20)

    assert answer == "done"
    assert reads == 2
    assert time.monotonic() - started < QUICK_S


def test_a_notice_that_comes_between_registering_and_reading_is_not_missed(platform: Platform) -> None:
    request_id = new_id()

    with platform.hub.watch(request_id) as watch:
        platform.notices.tell({request_id: b""})
        wait_for(lambda: watch._event.is_set(), timeout_s=5, what="the notice")

        answer = watch.until(lambda: "done", timeout_s=20)

    assert answer == "done"


def test_time_that_is_up_ends_the_wait_after_one_more_read(platform: Platform) -> None:
    reads: list[float] = []

    with platform.hub.watch(new_id()) as watch:
        answer = watch.until(lambda: reads.append(time.monotonic()), timeout_s=0.2)

    assert answer is None
    assert len(reads) == 2


def test_no_time_at_all_is_one_read(platform: Platform) -> None:
    reads: list[int] = []

    with platform.hub.watch(new_id()) as watch:
        watch.until(lambda: reads.append(1), timeout_s=0)

    assert reads == [1]


def test_draining_sends_waiters_home_at_once(platform: Platform) -> None:
    started = time.monotonic()

    with platform.hub.watch(new_id()) as watch:
        threading.Timer(0.1, platform.hub.drain).start()
        answer = watch.until(lambda: None, timeout_s=20)

    assert answer is None
    assert time.monotonic() - started < QUICK_S


def test_a_waiter_that_has_gone_is_forgotten(platform: Platform) -> None:
    request_id = new_id()

    with platform.hub.watch(request_id), platform.hub.watch(request_id):
        assert platform.hub.waiters() == 2

    assert platform.hub.waiters() == 0


def test_many_waiters_of_one_request_are_all_woken(platform: Platform) -> None:
    request_id = new_id()
    done = threading.Event()
    answers: list[bool | None] = []

    def wait() -> None:
        with platform.hub.watch(request_id) as watch:
            answers.append(watch.until(lambda: done.is_set() or None, timeout_s=20))

    threads = [threading.Thread(target=wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_for(lambda: platform.hub.waiters() == 20)
    done.set()
    platform.notices.tell({request_id: b""})
    for thread in threads:
        thread.join()

    assert answers == [True] * 20


def test_an_unreadable_notice_does_not_deafen_the_hub(platform: Platform, settings: Settings) -> None:
    request_id = new_id()
    client = connect(settings.redis_url, read_timeout_s=5)
    key = f"{settings.redis_namespace}:extension_responses"

    with platform.hub.watch(request_id) as watch:
        client.xadd(key, {"who": "a stranger"})
        client.xadd(key, {new_id().bytes: b"not an answer"})
        platform.notices.tell({request_id: b""})

        wait_for(lambda: watch._event.is_set(), timeout_s=5, what="the notice")


def test_the_hub_hears_again_after_redis_was_away(
    settings: Settings, own_redis: RedisServer, open_platform: Callable[[Settings], Platform]
) -> None:
    platform = open_platform(replace(settings, redis_url=own_redis.url))
    platform.start()
    assert platform.hub.ready(timeout_s=5)
    own_redis.kill()
    own_redis.start()
    request_id = new_id()

    with platform.hub.watch(request_id) as watch:
        wait_for(lambda: platform.hub.ready(timeout_s=0.1), what="the hub's return")
        watch._event.clear()
        platform.notices.tell({request_id: b""})

        wait_for(lambda: watch._event.is_set(), timeout_s=5, what="the notice")


def test_a_redis_that_was_emptied_has_everyone_look_again(platform: Platform, settings: Settings) -> None:
    request_id = new_id()
    client = connect(settings.redis_url, read_timeout_s=5)
    key = f"{settings.redis_namespace}:extension_responses"
    platform.notices.tell({new_id(): b""})
    wait_for(lambda: client.xlen(key) == 1)

    with platform.hub.watch(request_id) as watch:
        client.delete(key)

        wait_for(lambda: watch._event.is_set(), timeout_s=10, what="the look-around")


def test_whoever_wants_to_hears_of_each_notice(platform: Platform, settings: Settings) -> None:
    heard: list[Collection[UUID]] = []
    key = stream_key(settings.redis_namespace, messages.EXTENSION_RESPONSES)
    hub = Hub(lambda: connect(settings.redis_url), [key], heard=heard.append)
    hub.start()
    assert hub.ready(timeout_s=5)
    first, second = new_id(), new_id()

    platform.notices.tell({first: b"", second: b""})

    wait_for(lambda: heard == [[first, second]], what="the notice")
    hub.close()


def standing(*, texts: int = 1) -> Standing:
    """Return the standing of a request that is done, with so many long findings."""
    found = [(0, Finding("/a", "rule.a", "error", {"text": "x" * 200}, "a")) for _ in range(texts)]
    outcome = Outcome("invalid", 1, [0], 0.5, {"ports": 3}, None, found)
    return Standing(new_id(), new_id(), State.DONE, "a@1", "api", datetime.now(UTC), datetime.now(UTC), None, outcome)


def test_a_notice_brings_the_answer_as_it_would_be_read(platform: Platform) -> None:
    told = standing()

    platform.notices.tell({told.id: told.encode()})

    wait_for(lambda: platform.hub.ended(told.id) is not None, what="the notice")
    assert platform.hub.ended(told.id) == told


def test_an_answer_that_is_long_is_left_to_be_read(platform: Platform) -> None:
    told = standing(texts=100)

    with platform.hub.watch(told.id) as watch:
        platform.notices.tell({told.id: told.encode()})
        wait_for(lambda: watch._event.is_set(), what="the notice")

    assert platform.hub.ended(told.id) is None


def test_what_another_release_tells_is_left_to_be_read(platform: Platform) -> None:
    request_id = new_id()

    with platform.hub.watch(request_id) as watch:
        platform.notices.tell({request_id: b'["of", "another", "kind"]'})
        wait_for(lambda: watch._event.is_set(), what="the notice")

    assert platform.hub.ended(request_id) is None


def test_a_request_is_expected_until_more_is_heard_of_it(platform: Platform) -> None:
    told = standing()
    accepted = told._replace(state=State.PENDING, finished_at=None, outcome=None)

    platform.hub.accepted(accepted)
    assert platform.hub.expected(told.id) == accepted
    platform.notices.tell({told.id: told.encode()})
    wait_for(lambda: platform.hub.ended(told.id) is not None, what="the notice")

    platform.hub.accepted(accepted)
    assert platform.hub.expected(told.id) is None
    assert platform.hub.ended(told.id) == told


def test_a_process_that_is_about_to_end_expects_nothing(platform: Platform) -> None:
    accepted = standing()._replace(state=State.PENDING)
    platform.hub.accepted(accepted)

    platform.hub.drain()

    assert platform.hub.expected(accepted.id) is None
