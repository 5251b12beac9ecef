"""The queue between the reader and the worker threads, which wakes one thread at a time.

Python's own wakes a thread for each message that is put. Eight threads then wake for eight messages, although one of
them, which has the interpreter, runs all of these before another gets it: most of what a short task costs is waking.
Here whoever takes a message and leaves some wakes the next, so that long tasks still begin side by side. It is the one
that was idle for the shortest time: what it needs is still in the processor's caches.

Messages of a batch actor are in *line* for it: while a thread is at a line, what comes for it is set aside, and wakes
nobody. It is the thread's next batch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from queue import Empty, PriorityQueue
from typing import Any


class Handoff(PriorityQueue[Any]):
    """A `queue.PriorityQueue` without a greatest size. `line` says for which line an item is, or None for none."""

    def __init__(self, line: Callable[[Any], str | None] = lambda _: None) -> None:
        super().__init__()
        self._line = line
        #: By line that a thread is at: what is set aside.
        self._aside: dict[str, list[Any]] = {}
        #: A lock for each thread that waits, the last one last, and whether one was woken and has not come yet.
        self._idle: list[threading.Lock] = []
        self._coming = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """The item is in the queue."""
        with self.mutex:
            self.unfinished_tasks += 1
            if self._aside and (line := self._line(item)) in self._aside:
                heappush(self._aside[line], item)
            else:
                heappush(self.queue, item)
                self._wake()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the least item. Raises Empty if there was none for `timeout` seconds.

        If it is in a line, this thread is at that line until it is released.
        """
        with self.mutex:
            if not self.queue:
                self._wait(timeout)
            if not self.queue:
                raise Empty
            item = heappop(self.queue)
            line = self._line(item)
            if line is not None:
                self._set_aside(line)
            if self.queue:
                self._wake()
            return item

    def get_nowait(self) -> Any:
        """Return an item, also one that was set aside. Raises Empty, which costs little: a reader looks here often."""
        if not self.queue and not self._aside:
            raise Empty
        with self.mutex:
            for items in (self.queue, *self._aside.values()):
                if items:
                    return heappop(items)
            raise Empty

    def company(self, line: str, number: int) -> list[Any]:
        """Return what else is in the line that this thread is at, the least first, at most `number`."""
        with self.mutex:
            items = self._aside[line]
            return [heappop(items) for _ in range(min(number, len(items)))]

    def release(self, line: str) -> None:
        """The thread has done what it got of the line. It comes for more at once, so nobody is woken."""
        with self.mutex:
            for item in self._aside.pop(line):
                heappush(self.queue, item)

    def _set_aside(self, line: str) -> None:
        of_line = [self._line(item) == line for item in self.queue]
        aside = [item for item, here in zip(self.queue, of_line, strict=True) if here]
        self.queue[:] = [item for item, here in zip(self.queue, of_line, strict=True) if not here]
        heapify(aside)
        heapify(self.queue)
        self._aside[line] = aside

    def _wake(self) -> None:
        if self._idle and not self._coming:
            self._coming = True
            self._idle.pop().release()

    def _wait(self, timeout: float | None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while not self.queue:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return
            self._sleep(-1 if left is None else left)

    def _sleep(self, seconds: float) -> None:
        bed = threading.Lock()
        bed.acquire()
        self._idle.append(bed)
        self.mutex.release()
        try:
            bed.acquire(timeout=seconds)
        finally:
            self.mutex.acquire()
            if bed in self._idle:
                self._idle.remove(bed)
            else:
                # Woken, perhaps just when it gave up, or by a queue that another has emptied.
                self._coming = False


def in_place_of(queue: Any, line: Callable[[Any], str | None] = lambda _: None) -> Any:
    """Return an empty queue to take the place of another that is empty, or that one itself.

    gevent puts a queue of its own in the place of Python's: it has no mutex, and wakes greenlets for next to nothing.
    """
    return Handoff(line) if type(queue) is PriorityQueue and hasattr(queue, "mutex") else queue
