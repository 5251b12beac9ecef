"""A grace time for worker processes that are told to stop more than once.

Heroku, honcho and systemd signal the whole process group, Dramatiq's main process passes the signal
on as well, and Dramatiq takes a second SIGTERM as "kill now": tasks would die milliseconds into their drain.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

import dramatiq
from dramatiq.middleware import Middleware

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class SignalGrace(Middleware):
    """Lets the first SIGTERM or SIGHUP through and ignores all others for `grace_s` seconds after it."""

    def __init__(self, grace_s: float = 20.0) -> None:
        self.grace_s = grace_s
        self._first_at: float | None = None

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        """The worker process's signal handlers are wrapped. Dramatiq has set them before."""
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, self._wrap(handler))

    def _wrap(self, handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def once(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if self._first_at is not None and now - self._first_at < self.grace_s:
                return
            self._first_at = self._first_at or now
            handler(number, frame)

        return once
