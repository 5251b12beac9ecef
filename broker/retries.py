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


class Reschedule(Retry):
    """Raised by an actor that cannot work now: its message is offered again after `delay_ms`.

    That counts no retry and is not logged as an error. Under Dramatiq's own Retries it counts one.
    """

    def __init__(self, delay_ms: int) -> None:
        super().__init__(f"offered again in {delay_ms} ms", delay_ms)


class Retries(DramatiqRetries):
    """Dramatiq's Retries, with the same options, that also knows `Reschedule`."""

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """A message that asked for it is rescheduled, and one that failed is retried or given up."""
        if isinstance(exception, Reschedule):
            broker.enqueue(message, delay=exception.delay)  # type: ignore[arg-type]  # a proxy, as in Dramatiq's own
            return
        super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]  # theirs
