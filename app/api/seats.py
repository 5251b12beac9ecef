"""Seats: how many requests may wait in this process at a time, of one client and of all.

Who waits costs memory and a connection, however seldom he asks. A client that has taken all of its seats goes on
without waiting where that was only a preference, and is refused where it was the point; nobody else is touched. A seat
is free again once the request has been answered, or the answer has been sent to its end where it is a stream.
"""

import threading
from collections import Counter
from types import TracebackType
from typing import Self
from uuid import UUID

from app.api.waits import Wait
from app.errors import TooManyWaiters


class Seats:
    """Who sits where."""

    def __init__(self, *, per_client: int, per_process: int) -> None:
        self._per_client = per_client
        self._per_process = per_process
        self._taken: Counter[UUID] = Counter()
        self._all_taken = 0
        self._lock = threading.Lock()

    def take(self, client_id: UUID) -> bool:
        """Return whether there was a seat left for the client, and for the process: then it is taken."""
        with self._lock:
            if self._taken[client_id] >= self._per_client or self._all_taken >= self._per_process:
                return False
            self._taken[client_id] += 1
            self._all_taken += 1
        return True

    def free(self, client_id: UUID) -> None:
        """Have one of the client's seats free for others."""
        with self._lock:
            self._all_taken -= 1
            self._taken[client_id] -= 1
            if not self._taken[client_id]:
                del self._taken[client_id]


class Seating:
    """Where one request sits, once it has to. Its seat is free again after the `with`, or when it leaves."""

    def __init__(self, seats: Seats, client_id: UUID) -> None:
        self._seats = seats
        self._client_id = client_id
        self._has_seat = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def preferred(self, wait: Wait) -> Wait:
        """Return the wait, or none at all when there is no seat for it: it is only a preference."""
        if not wait.seconds:
            return wait
        self._has_seat = self._seats.take(self._client_id)
        return wait if self._has_seat else Wait(0)

    def must_sit(self) -> None:
        """Take a seat. Raises TooManyWaiters when there is none."""
        self._has_seat = self._seats.take(self._client_id)
        if not self._has_seat:
            raise TooManyWaiters("Too many requests are waiting already. Ask again later, or without waiting.")

    def leave(self) -> None:
        """Have the seat free for others; further calls change nothing."""
        if self._has_seat:
            self._has_seat = False
            self._seats.free(self._client_id)
