"""Retries with exponential backoff and jitter, and `Reschedule`, which is no retry at all.

The arithmetic is Dramatiq's. The broker makes them safe: what this middleware enqueues while
its message is being processed goes to Redis in the same step as that message's acknowledgement.
"""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.errors import Retry
from dramatiq.middleware import Retries as DramatiqRetries

#: When to offer a message again whose exception says that it cannot work now, in ms.
RESCHEDULE_MS = 1_000


class Reschedule(Retry):
    """Raised by an actor that cannot work now: its message is offered again after `delay_ms`.

    That counts no retry and is not logged as an error, so an actor may wait for as long as it takes: bound it by
    `max_age`, if it must end. Under Dramatiq's own Retries it counts one.
    """

    def __init__(self, delay_ms: int) -> None:
        super().__init__(f"offered again in {delay_ms} ms", delay_ms)


class Retries(DramatiqRetries):
    """Dramatiq's Retries, with the same options, that also knows `Reschedule`.

    reschedule_on: exceptions that count as `Reschedule(reschedule_ms)`. With Dramatiq's `RateLimitExceeded` among
    them, a message that meets a rate limit waits its turn and burns no retry.
    """

    def __init__(
        self,
        *,
        reschedule_on: tuple[type[BaseException], ...] = (),
        reschedule_ms: int = RESCHEDULE_MS,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.reschedule_on = reschedule_on
        self.reschedule_ms = reschedule_ms

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """A message that asked for it is rescheduled, and one that failed is retried or given up."""
        if exception is None:
            return
        delay_ms = self._reschedule(exception)
        if delay_ms is not None:
            broker.enqueue(message, delay=delay_ms)  # type: ignore[arg-type]  # a proxy, as in Dramatiq's own
            return
        super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]  # theirs

    def _reschedule(self, exception: BaseException) -> int | None:
        if isinstance(exception, Reschedule):
            return int(exception.delay or 0)
        return self.reschedule_ms if isinstance(exception, self.reschedule_on) else None
