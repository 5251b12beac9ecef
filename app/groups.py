"""Groups: work that many hand in at the same time, done as one; and a question that many have, asked once.

Whoever comes while a group is being done waits for the next one. A lone piece of work is done at once, and under load
the groups grow by themselves: one that follows a large one may wait a moment to become as large. One thread (a greenlet
under gevent) does them all, one after the other, so the work runs in nobody's context: what belongs to a caller's
context has to be handed in with it.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar, cast

from app.arrivals import Arrivals

#: What is done as one group at most.
MOST = 64
#: A group waits for others to come for so many times its patience in all.
PATIENCES = 3
#: From so many on who are present, they are to go in one group.
MANY = 8
#: How long a few wait while more are under way, in seconds.
HELD_S = 0.03

K = TypeVar("K")
W = TypeVar("W")
R = TypeVar("R")


class Place(Generic[W, R]):
    """One piece of work, and what became of it."""

    __slots__ = ("_done", "error", "result", "work")

    def __init__(self, work: W) -> None:
        self.work = work
        self.result: R | None = None
        self.error: Exception | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def end(self, became: R | Exception) -> None:
        """Have whoever waits go on with this."""
        if isinstance(became, Exception):
            self.error = became
        else:
            self.result = became
        self._done.release()

    def wait(self) -> R:
        """Return what became of the work. Raises the error that it came to."""
        with self._done:  # Others may wait as well.
            pass
        if self.error is not None:
            raise self.error
        return cast(R, self.result)


class Groups(Generic[W, R]):
    """Does work in groups. `act` gets those of one group and returns what each came to: a result or an error.

    A group waits to be as large as the one before until nobody has come for `patience_s`, so nobody waits who comes
    alone. It pays where a large group costs little more than a small one.

    `ahead` is for work that goes on elsewhere after `act`: it tells how many are under way. Who gets a result often
    comes again at once, so where many are present, here and under way, a few who have come wait for more who are under
    way, as small packets do for the acknowledgement of those before them (Nagle's algorithm, RFC 896): else whoever
    once fell behind would go in a small group for ever. Whoever hears that some are no more under way calls `look`.

    When `act` itself raises, nothing of the group has been done: it is tried one by one, so that one bad piece spoils
    no other, unless the error is one of `shared`, which speak of all alike.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[Sequence[W]], Sequence[R | Exception]],
        *,
        shared: tuple[type[Exception], ...],
        most: int = MOST,
        patience_s: float = 0.0,
        ahead: Callable[[], int] | None = None,
    ) -> None:
        self._name = name
        self._act = act
        self._shared = shared
        self._most = most
        self._patience_s = patience_s
        self._ahead = ahead
        self._arrivals: Arrivals[Place[W, R]] = Arrivals()
        self._pid: int | None = None
        self._starting = threading.Lock()

    def do(self, work: W) -> R:
        """Return what became of `work`, done together with what others hand in. Raises what it came to."""
        if self._pid != os.getpid():
            self._start()
        place: Place[W, R] = Place(work)
        self._arrivals.put(place)
        return place.wait()

    def look(self) -> None:
        """Have the group that is being gathered see that fewer are under way."""
        self._arrivals.wake()

    def _start(self) -> None:
        # Threads do not survive a fork, nor does what the parent's callers have handed in belong to the child.
        with self._starting:
            if self._pid == os.getpid():
                return
            self._arrivals = Arrivals()
            # A context of its own: a greenlet would have that of whoever came first.
            alone = Context()
            threading.Thread(target=alone.run, args=(self._run, self._arrivals), name=self._name, daemon=True).start()
            self._pid = os.getpid()

    def _run(self, arrivals: Arrivals[Place[W, R]]) -> None:
        expected = 0
        while True:
            self._gather(arrivals, expected)
            present = self._present(len(arrivals))
            group = arrivals.take(self._most)
            expected = present if present >= MANY else len(group)
            for place, became in zip(group, self._done([place.work for place in group]), strict=True):
                place.end(became)

    def _gather(self, arrivals: Arrivals[Place[W, R]], expected: int) -> None:
        """Return when there is a next group, after waiting a moment for as many as are expected."""
        while not arrivals:
            arrivals.wait(1)
        wanted = min(max(expected, self._hold(arrivals)), self._most)
        began = time.monotonic()
        until = began + PATIENCES * self._patience_s
        while len(arrivals) < wanted:
            left_s = min(until, max(began, arrivals.last_at) + self._patience_s) - time.monotonic()
            if left_s <= 0:
                break
            arrivals.wait(wanted, left_s)

    def _hold(self, arrivals: Arrivals[Place[W, R]]) -> int:
        """Have a few wait while more are under way; return how many are present then, 0 if there was no need."""
        present = 0
        until = time.monotonic() + HELD_S
        while self._are_few(len(arrivals)) and (left_s := until - time.monotonic()) > 0:
            present = self._present(len(arrivals))
            arrivals.wait(min(self._most, (present + 1) // 2), left_s)
        return present

    def _are_few(self, number: int) -> bool:
        present = self._present(number)
        return number < self._most and number < present - number and present >= MANY

    def _present(self, number: int) -> int:
        """Return how many there are, so many here and all that are under way."""
        return number if self._ahead is None else number + self._ahead()

    def _done(self, works: Sequence[W]) -> Sequence[R | Exception]:
        try:
            return self._act(works)
        except Exception as error:
            if len(works) == 1 or isinstance(error, self._shared):
                return [error] * len(works)
            return [became for work in works for became in self._done([work])]


class Once(Generic[K, R]):
    """What many ask for at the same time is asked once: who comes meanwhile gets the same answer, or the same error."""

    def __init__(self) -> None:
        self._asked: dict[K, Place[None, R]] = {}

    def do(self, key: K, ask: Callable[[], R]) -> R:
        """Return the answer of `ask`, or of another one for the same `key` that is on its way."""
        mine: Place[None, R] = Place(None)
        theirs = self._asked.setdefault(key, mine)
        if theirs is mine:
            self._answer(key, mine, ask)
        return theirs.wait()

    def soon(self, key: K, ask: Callable[[], R]) -> None:
        """Have `ask` called by a thread (a greenlet under gevent), unless an answer for this `key` is on its way.

        Nobody hears what it comes to, save those who ask by `do` meanwhile.
        """
        mine: Place[None, R] = Place(None)
        if self._asked.setdefault(key, mine) is not mine:
            return
        # A context of its own: a greenlet would have that of whoever came first.
        alone = Context()
        try:
            threading.Thread(target=alone.run, args=(self._answer, key, mine, ask), name="once", daemon=True).start()
        except RuntimeError:  # There are too many threads.
            self._answer(key, mine, ask)

    def _answer(self, key: K, place: Place[None, R], ask: Callable[[], R]) -> None:
        answer: R | Exception = Unanswered()
        try:
            answer = ask()
        except Exception as error:
            answer = error
        finally:
            del self._asked[key]
            place.end(answer)


class Unanswered(Exception):
    """Whoever was to ask, for others as well, was stopped."""
