"""Turns: many things are gone through in a process where others wait, who have their turn after each of them.

In a web process nobody else moves until somebody sleeps (gevent); whoever works on for long keeps all of them waiting.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

#: Somebody waits for the answer, and rules can be slow: what has had no turn by then gets none.
TIME_S = 5.0

T = TypeVar("T")


def in_turns(things: Iterable[T], *, within_s: float) -> Iterator[T]:
    """Yield the things one by one, in order; when the time is up, that was the first ones only, at least one."""
    deadline = time.monotonic() + within_s
    for number, thing in enumerate(things):
        if number and time.monotonic() > deadline:
            return
        yield thing
        time.sleep(0)
