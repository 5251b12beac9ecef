"""The throttle of the token endpoint: how often an OAuth client may ask from an address, and an address be refused.

Each process counts for itself, so that it also holds while Redis is away. Asking is counted by client *and* address:
else anybody could keep a client out by asking in its name. Refusals are counted by address alone, whatever names are
tried; an address that is never refused is never slowed, also where many clients share it.
"""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.auth.strangers import network
from app.errors import TooManyAttempts


class Throttle:
    """Counts. Made by the process that serves, since the counting has a thread of its own."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def attempt(self, client: str, address: str) -> None:
        """Return only if there may be another attempt, which counts. Raises TooManyAttempts."""
        address = network(address)
        if not self._windows.test(self._limit, "refused", address):
            raise self._later("refused", address)
        if not self._windows.hit(self._limit, "asked", client, address):
            raise self._later("asked", client, address)

    def refused(self, address: str) -> None:
        """Have an attempt from the address counted as refused."""
        self._windows.hit(self._limit, "refused", network(address))

    def _later(self, *whose: str) -> TooManyAttempts:
        reset_at = self._windows.get_window_stats(self._limit, *whose).reset_time
        wait_s = max(1, math.ceil(reset_at - time.time()))
        return TooManyAttempts("Too many tokens have been asked for. Slow down.", retry_after_s=wait_s)
