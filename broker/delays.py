"""Delayed messages. They wait in Redis, by Redis's clock, and never in the memory of a worker."""

from __future__ import annotations

import secrets
from typing import Any

from broker import scripts
from broker.keys import Keys

#: A consumer looks at the delayed messages at least this often, in ms. One that is due sooner wakes a consumer.
LOOK_MS = 10_000

#: A message for an unknown actor is offered again after as long as it has waited, within these, in ms.
_SHORTEST_PARK_MS = 1_000
_LONGEST_PARK_MS = 10_000


def waiting_id(message_id: str) -> str:
    """Return a new id for a delayed message: message ids come back with every retry."""
    return f"{message_id}:{secrets.token_hex(4)}"


def later(client: Any, keys: Keys, message_id: str, body: bytes, delay_ms: int) -> None:
    """The message is on its queue `delay_ms` from now."""
    scripts.LATER(
        client, (keys.stream, keys.delayed, keys.bodies, keys.parked), (waiting_id(message_id), delay_ms, body, LOOK_MS)
    )


def park_ms(waited_ms: int) -> int:
    """Return how long to park a message for an unknown actor that has waited so long already."""
    return min(_LONGEST_PARK_MS, max(_SHORTEST_PARK_MS, waited_ms))
