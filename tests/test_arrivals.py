"""Arrivals: many put, one takes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from app.arrivals import Arrivals


def test_the_first_to_come_is_the_first_to_be_taken() -> None:
    arrivals: Arrivals[int] = Arrivals()
    for number in range(5):
        arrivals.put(number)

    assert arrivals.take(3) == [0, 1, 2]
    assert len(arrivals) == 2
    assert arrivals.take(3) == [3, 4]
    assert arrivals.take(3) == []


def test_who_has_enough_does_not_sleep() -> None:
    arrivals: Arrivals[int] = Arrivals()
    arrivals.put(1)

    arrivals.wait(1)

    assert len(arrivals) == 1


def test_the_sleeper_gets_up_for_as_many_as_are_wanted_and_not_before() -> None:
    arrivals: Arrivals[int] = Arrivals()
    up = threading.Event()

    def sleep() -> None:
        arrivals.wait(2)
        up.set()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(sleep)
        arrivals.put(1)
        assert not up.wait(0.05)
        arrivals.put(2)
        assert up.wait(10)


def test_the_sleeper_gets_up_when_woken() -> None:
    arrivals: Arrivals[int] = Arrivals()
    with ThreadPoolExecutor(1) as threads:
        asleep = threads.submit(arrivals.wait, 1)
        while not asleep.done():
            arrivals.wake()

    assert len(arrivals) == 0


def test_the_sleeper_gets_up_when_the_time_is_up() -> None:
    arrivals: Arrivals[int] = Arrivals()

    arrivals.wait(1, 0.01)

    assert len(arrivals) == 0


def test_it_is_known_when_the_last_one_came() -> None:
    arrivals: Arrivals[int] = Arrivals()
    before = time.monotonic()

    arrivals.put(1)

    assert before <= arrivals.last_at <= time.monotonic()
