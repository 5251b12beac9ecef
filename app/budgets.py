"""Budgets: how much somebody may still ask for. Spent by requests, whole again after a pause; the caller has the clock.

A leaky bucket, kept as the one time at which it will have run empty (GCRA, the "virtual scheduling algorithm" of ITU-T
I.371): one number for each name, and no edge of a window at which twice as much passes. Whoever has anything left is
let in and may run into debt, since what a request costs is known only once it is read; the debt is paid by waiting.

Not by `limits`, which counts tokens that are asked for: it knows no debt, and costs six times as much for each request.
Under gevent nothing comes between two lines here; among threads a unit may be lost.
"""

import math
from collections.abc import Hashable

#: Seconds in which a budget becomes whole, and so for how long nobody is slowed who asks for all at once.
WHOLE_S = 2
#: Names kept at a time: whose budget is whole is forgotten, so that strangers cannot fill the memory.
MOST_KNOWN = 10_000


class Budget:
    """What each of many may spend: `per_s` units in a second on average, and `size` at once."""

    def __init__(self, per_s: int) -> None:
        self.size = per_s * WHOLE_S
        self._per_s = per_s
        #: How long it takes to get all units but one back.
        self._full_s = (self.size - 1) / per_s
        #: By name: when it will be whole again, in the caller's seconds. Those not here are.
        self._whole_at: dict[Hashable, float] = {}

    def pause_s(self, name: Hashable, now: float) -> float:
        """Return how long it takes until one unit is there, 0 when there is one."""
        return max(0.0, self._whole_at.get(name, now) - now - self._full_s)

    def spend(self, name: Hashable, units: int, now: float) -> None:
        """Have `units` gone from what this one has, whether or not they are there."""
        if len(self._whole_at) >= MOST_KNOWN:
            self._forget(now)
        self._whole_at[name] = max(self._whole_at.get(name, now), now) + units / self._per_s

    def left(self, name: Hashable, now: float) -> int:
        """Return how many units are there."""
        # Rounded first: what is a whole number on paper may be a billionth less as a float.
        return max(0, math.floor(round(self.size - self.whole_in_s(name, now) * self._per_s, 6)))

    def whole_in_s(self, name: Hashable, now: float) -> float:
        """Return how long it takes until nothing is missing."""
        return max(0.0, self._whole_at.get(name, now) - now)

    def _forget(self, now: float) -> None:
        self._whole_at = {name: at for name, at in self._whole_at.items() if at > now}
        if len(self._whole_at) >= MOST_KNOWN:
            self._whole_at.clear()  # An attack from everywhere: the budget of the process is what holds then.
