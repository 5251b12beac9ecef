"""A shelf: values that take a while to make, kept by what they were made of."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shelf(Generic[Key, Value]):
    """Up to `room` values; the one used longest ago goes first. Safe for threads."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def kept(self, key: Key) -> Value | None:
        """Return the value of `key`, None where it is not kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of `key`, which `make` returns where it is not kept; what `make` raises is raised."""
        kept = self.kept(key)
        if kept is not None:
            return kept
        # Not under the lock: it takes a while, and done twice it does no harm.
        value = make()
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
        return value
