"""Arrivals: what many hand in and one takes, who sleeps until there is as much as it is worth to get up for."""

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Arrivals(Generic[T]):
    """What has come and was not taken yet, the first first."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        #: At how many the sleeper gets up.
        self._wanted = 1
        self._enough = threading.Event()
        #: When the last one came, in monotonic seconds.
        self.last_at = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """One more has come."""
        self._items.append(item)
        self.last_at = time.monotonic()
        if len(self._items) >= self._wanted:
            self._enough.set()

    def wake(self) -> None:
        """Have the sleeper look around, however few there are."""
        self._enough.set()

    def wait(self, number: int, timeout_s: float | None = None) -> None:
        """Sleep until there are so many, the time is up, or somebody has called `wake`."""
        # In this order: whoever comes after the look knows how many are wanted, and so wakes.
        self._wanted = number
        self._enough.clear()
        if len(self._items) < number:
            self._enough.wait(timeout_s)

    def take(self, most: int) -> list[T]:
        """Return the first ones, at most so many. Only one may take."""
        return [self._items.popleft() for _ in range(min(most, len(self._items)))]
