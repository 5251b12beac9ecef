"""An outage of Redis as one process sees it: one line in the log when it begins, one when it ends."""

from __future__ import annotations

import logging
import random
import threading
import time

logger = logging.getLogger(__name__)

#: Waits between attempts double from the first to the second of these, in seconds.
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0


class Outage:
    """Whether Redis is away, since when, and how long to wait before the next attempt."""

    def __init__(self) -> None:
        self.ended_at = float("-inf")
        self._began_at: float | None = None
        self._attempts = 0
        self._lock = threading.Lock()

    def note(self, error: BaseException) -> None:
        """The outage has begun, if it had not; only the first error of it is logged."""
        with self._lock:
            self._attempts += 1
            if self._began_at is not None:
                return
            self._began_at = time.monotonic()
        logger.error("Redis is away: %s. Trying again until it is back.", str(error).rstrip("."))

    def over(self) -> None:
        """The outage has ended, if there was one. Costs nothing otherwise."""
        if self._began_at is None:
            return
        with self._lock:
            began_at, self._began_at, self._attempts = self._began_at, None, 0
        if began_at is not None:
            self.ended_at = time.monotonic()
            logger.warning("Redis is back after %.1f seconds.", self.ended_at - began_at)

    @property
    def lasts(self) -> bool:
        """Whether Redis is away."""
        return self._began_at is not None

    def wait_s(self) -> float:
        """Return how long to wait before the next attempt, jittered so that processes do not come in step."""
        wait_s: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._attempts, 10))
        return wait_s * random.uniform(0.5, 1)
