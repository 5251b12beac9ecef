"""Seats: how many requests may wait in this process at a time, of one client and of all.

Who waits costs memory and a connection, however seldom he asks. A client that has taken all of its seats goes on
without waiting where that was only a preference, and is refused where it was the point; nobody else is touched. A seat
is free again once the request has been answered, or the answer has been sent to its end where it is a stream.
"""

import threading
from collections import Counter
from typing import cast
from uuid import UUID

from flask import Flask, Response, current_app, g

from app.api.current import caller
from app.api.waits import Wait
from app.errors import TooManyWaiters
from app.settings import Settings


class Seats:
    """Who sits where."""

    def __init__(self, *, per_client: int, per_process: int) -> None:
        self._per_client = per_client
        self._per_process = per_process
        self._taken: Counter[UUID] = Counter()
        self._all_taken = 0
        self._lock = threading.Lock()

    def take(self, client_id: UUID) -> "Seat | None":
        """Return a seat, None when the client or the process has none left."""
        with self._lock:
            if self._taken[client_id] >= self._per_client or self._all_taken >= self._per_process:
                return None
            self._taken[client_id] += 1
            self._all_taken += 1
        return Seat(self, client_id)

    def free(self, client_id: UUID) -> None:
        """Have one of the client's seats free for others."""
        with self._lock:
            self._all_taken -= 1
            self._taken[client_id] -= 1
            if not self._taken[client_id]:
                del self._taken[client_id]


class Seat:
    """One that is taken."""

    def __init__(self, seats: Seats, client_id: UUID) -> None:
        self._seats = seats
        self._client_id = client_id
        self._is_taken = True

    def leave(self) -> None:
        """Have it free for others; further calls change nothing."""
        if self._is_taken:
            self._is_taken = False
            self._seats.free(self._client_id)


def install(app: Flask, settings: Settings) -> None:
    """Have every request to `app` leave its seat at its end."""
    app.extensions["seats"] = Seats(per_client=settings.client_waiters, per_process=settings.process_waiters)

    def leave(_error: BaseException | None) -> None:
        if seat := g.pop("seat", None):
            seat.leave()

    app.teardown_request(leave)


def preferred(wait: Wait) -> Wait:
    """Return the wait, or none at all when there is no seat for it: it is only a preference."""
    return wait if not wait.seconds or sit() else Wait(0)


def needed(wait: Wait) -> Wait:
    """Return the wait. Raises TooManyWaiters when there is no seat for it."""
    if wait.seconds:
        must_sit()
    return wait


def must_sit() -> None:
    """Return only if the current request has a seat. Raises TooManyWaiters."""
    if not sit():
        raise TooManyWaiters("Too many requests are waiting already. Ask again later, or without waiting.")


def sit() -> bool:
    """Return whether there is a seat for the current request, which it has then."""
    g.seat = cast(Seats, current_app.extensions["seats"]).take(caller().client_id)
    return g.seat is not None


def keep(response: Response) -> Response:
    """Have the current request's seat taken until the response has been sent to its end, or cut off."""
    response.call_on_close(cast(Seat, g.pop("seat")).leave)
    return response
