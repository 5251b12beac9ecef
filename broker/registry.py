"""The registry: a set at Redis with the names of all queues, so that nobody needs to search for them.

A name is written when a process first sends to its queue or consumes it, and again a minute later at the earliest,
because Redis may have been emptied. It is there for operators: that it cannot be written never stops a message.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from redis.exceptions import RedisError

from broker import keys

logger = logging.getLogger(__name__)

#: A name is written again after this time, in seconds.
_AGAIN_S = 60.0


class Registry:
    """The names of the queues of one namespace."""

    def __init__(self, client: Any, namespace: str) -> None:
        self._client = client
        self._key = keys.registry(namespace)
        self._due: dict[str, float] = {}

    def note(self, queue_name: str) -> None:
        """The name is in the registry, unless Redis would not take it."""
        now = time.monotonic()
        if now < self._due.get(queue_name, 0.0):
            return
        self._due[queue_name] = now + _AGAIN_S
        try:
            self._client.sadd(self._key, queue_name)
        except RedisError as error:
            logger.debug("Could not write queue %s into the registry: %s", queue_name, error)

    def names(self) -> list[str]:
        """Return all names, in order."""
        return sorted(name.decode(errors="replace") for name in self._client.smembers(self._key))
