"""The queue between reader and workers: all that Python's own does, with fewer wakes."""

import threading
import time
from collections.abc import Callable
from queue import Empty

import dramatiq
import pytest

from broker import RedisStreamsBroker
from broker.handoff import Handoff
from tests.broker.servers import wait_for


def test_the_least_item_comes_first() -> None:
    queue = Handoff()
    for item in (2, 3, 1):
        queue.put(item)

    assert [queue.get(), queue.get_nowait(), queue.get(timeout=1)] == [1, 2, 3]


def test_an_empty_queue_is_waited_for_as_long_as_was_said() -> None:
    queue = Handoff()
    begun = time.monotonic()

    with pytest.raises(Empty):
        queue.get(timeout=0.05)
    with pytest.raises(Empty):
        queue.get_nowait()

    assert time.monotonic() - begun >= 0.05


def test_all_that_was_put_is_waited_for() -> None:
    queue = Handoff()
    queue.put(1)
    waiter = threading.Thread(target=queue.join, daemon=True)
    waiter.start()

    queue.get()
    assert waiter.is_alive()
    queue.task_done()

    waiter.join(30)
    assert not waiter.is_alive()


def test_every_item_gets_a_thread_of_its_own_while_the_others_are_busy() -> None:
    queue, together = Handoff(), threading.Barrier(9)

    def work() -> None:
        queue.get()
        together.wait(30)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for item in range(8):
        queue.put(item)

    # Breaks unless all eight hold an item at the same time.
    together.wait(30)


def test_the_thread_that_was_idle_for_the_shortest_time_is_woken() -> None:
    queue, taken = Handoff(), list[str]()

    def wait(name: str) -> threading.Thread:
        def take() -> None:
            queue.get()
            taken.append(name)

        thread = threading.Thread(target=take, daemon=True)
        before = len(queue._idle)
        thread.start()
        wait_for(lambda: len(queue._idle) > before)
        return thread

    threads = [wait("first"), wait("second"), wait("third")]
    for count, thread in enumerate(reversed(threads), start=1):
        queue.put(count)
        thread.join(30)

    assert taken == ["third", "second", "first"]


def test_nothing_is_left_lying_by_threads_that_come_and_give_up() -> None:
    queue, taken, over = Handoff(), list[int](), threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                # So short that many give up just when they are woken.
                taken.append(queue.get(timeout=0.0005))
            except Empty:
                continue

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for item in range(2_000):
        queue.put(item)
        if not item % 50:
            time.sleep(0.001)

    wait_for(lambda: len(taken) == 2_000)
    over.set()
    assert sorted(taken) == list(range(2_000))


def test_tasks_of_a_worker_run_side_by_side(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    together = threading.Barrier(9)

    @dramatiq.actor(max_retries=0)
    def meet() -> None:
        together.wait(30)

    broker.enqueue_many(meet.message() for _ in range(8))
    worker = start_worker(broker, threads=8)

    together.wait(30)
    assert isinstance(worker.work_queue, Handoff)


def lined() -> Handoff:
    """Return a queue in which even numbers stand in one line."""
    return Handoff(lambda item: None if item % 2 else "even")


def test_what_comes_for_a_line_is_set_aside_while_a_thread_is_at_it() -> None:
    queue = lined()
    for item in (2, 6, 3):
        queue.put(item)

    assert queue.get() == 2
    queue.put(4)

    assert queue.get() == 3
    with pytest.raises(Empty):
        queue.get(timeout=0)
    assert queue.company("even", 1) == [4]
    queue.release("even")
    assert queue.get() == 6
    assert queue.unfinished_tasks == 4


def test_whoever_empties_the_queue_gets_what_is_set_aside_as_well() -> None:
    queue = lined()
    for item in (2, 4, 5):
        queue.put(item)
    queue.get()

    assert sorted([queue.get_nowait(), queue.get_nowait()]) == [4, 5]
    with pytest.raises(Empty):
        queue.get_nowait()
    queue.release("even")
    with pytest.raises(Empty):
        queue.get(timeout=0)
