"""The queue between the reader and the worker threads, which wakes one thread at a time.

Python's own wakes a thread for each message that is put. Eight threads then wake for eight messages, although one of
them, which has the interpreter, runs all of these before another gets it: most of what a short task costs is waking.
Here whoever takes a message and leaves some wakes the next, so that long tasks still begin side by side.
"""

from __future__ import annotations

import threading
import time
from heapq import heappop, heappush
from queue import Empty, PriorityQueue
from typing import Any


class Handoff(PriorityQueue[Any]):
    """A `queue.PriorityQueue` without a greatest size."""

    def __init__(self) -> None:
        super().__init__()
        #: Which threads wait, and whether one of them was woken and has not come yet.
        self._idle: set[int] = set()
        self._coming = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """The item is in the queue."""
        with self.mutex:
            heappush(self.queue, item)
            self.unfinished_tasks += 1
            self._wake()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the least item. Raises Empty if there was none for `timeout` seconds."""
        with self.mutex:
            if block and not self.queue:
                self._wait(timeout)
            if not self.queue:
                raise Empty
            item = heappop(self.queue)
            if self.queue:
                self._wake()
            return item

    def get_nowait(self) -> Any:
        """Return the least item. Raises Empty, which costs little: a reader looks here between any two messages."""
        if not self.queue:
            raise Empty
        return self.get(block=False)

    def _wake(self) -> None:
        if self._idle and not self._coming:
            self._coming = True
            self.not_empty.notify()

    def _wait(self, timeout: float | None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while not self.queue:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return
            try:
                self._idle.add(threading.get_ident())
                self.not_empty.wait(left)
            finally:
                # If it was another that was woken, one is woken too many.
                self._idle.discard(threading.get_ident())
                self._coming = False


def in_place_of(queue: Any) -> Any:
    """Return an empty queue to take the place of another that is empty, or that one itself.

    gevent puts a queue of its own in the place of Python's: it has no mutex, and wakes greenlets for next to nothing.
    """
    return Handoff() if type(queue) is PriorityQueue and hasattr(queue, "mutex") else queue
