"""In flight: the requests that this process sent a moment ago, and that have not ended as far as it has heard."""

import time
from collections.abc import Iterable
from uuid import UUID

#: Who has not ended by then, in seconds, is not about to: the workers are busy, or there are none.
MOST_S = 0.1


class InFlight:
    """The requests."""

    def __init__(self) -> None:
        #: With the moment they were sent at, in monotonic seconds: the first first.
        self._sent_at: dict[UUID, float] = {}

    def number(self) -> int:
        """Return how many there are."""
        latest = time.monotonic() - MOST_S
        for request_id, sent_at in self._sent_at.copy().items():
            if sent_at >= latest:
                break
            self._sent_at.pop(request_id, None)
        return len(self._sent_at)

    def sent(self, request_ids: Iterable[UUID]) -> None:
        """These are on their way."""
        self._sent_at |= dict.fromkeys(request_ids, time.monotonic())

    def ended(self, request_ids: Iterable[UUID]) -> bool:
        """These have ended; return whether any of them was in flight."""
        before = len(self._sent_at)
        for request_id in request_ids:
            self._sent_at.pop(request_id, None)
        return len(self._sent_at) < before
