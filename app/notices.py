"""Notices: a worker's word to all web processes that requests have ended, and how.

A notice is told after the commit, so what it says is true; but it is a hint, like everything in Redis: what it says is
in Postgres as well, so a lost notice costs a waiter a few seconds and nothing else. The stream is trimmed by age, never
read twice.
"""

import time
from collections.abc import Mapping
from uuid import UUID

import redis

from broker.calls import call

#: Older notices have nobody left who waits for them.
KEPT_MS = 60_000

#: An answer that takes more bytes is not told along: whoever waits for it reads it from Postgres.
MOST_BYTES = 4_096


class Notices:
    """Writes notices to one response stream. An entry has one field for each request, named by its id's 16 bytes."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client = client
        self._key = key

    def tell(self, ended: Mapping[UUID, bytes]) -> None:
        """Wake whoever waits for these requests, in any web process.

        With each comes its `Standing`, encoded; without one, or with one that is long, readers look for themselves.

        Raises:
            redis.RedisError: the notice may not have been written.
        """
        oldest = int(time.time() * 1000) - KEPT_MS
        fields = [
            part
            for request_id, packed in ended.items()
            for part in (request_id.bytes, packed if len(packed) <= MOST_BYTES else b"")
        ]
        call(self._client, "XADD", self._key, "MINID", "~", oldest, "*", *fields)
