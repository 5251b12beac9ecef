"""Delayed messages. They wait in Redis, by Redis's clock, and never in the memory of a worker."""

from __future__ import annotations

#: A consumer looks at the delayed messages at least this often, in ms. One that is due sooner wakes a consumer.
LOOK_MS = 20_000

#: A message for an unknown actor is offered again after as long as it has waited, within these, in ms.
_SHORTEST_PARK_MS = 1_000
_LONGEST_PARK_MS = 10_000


def waiting_id(message_id: str, mark: str) -> str:
    """Return the id of a delayed message of the lane with that mark.

    A second copy of a message that waits already gets a number in front (see send.lua).
    """
    return f"{message_id}:{mark}"


def park_ms(waited_ms: int) -> int:
    """Return how long to park a message for an unknown actor that has waited so long already."""
    return min(_LONGEST_PARK_MS, max(_SHORTEST_PARK_MS, waited_ms))
