"""Notices: a worker's word to all web processes that a request has ended.

A notice is a hint, like everything in Redis: the answer itself is in Postgres, so a lost notice costs a waiter a few
seconds and nothing else. The stream is trimmed by age, never read twice.
"""

import time
from uuid import UUID

import redis

#: Older notices have nobody left who waits for them.
KEPT_MS = 60_000

#: The one field of a notice: the request's id, as its 16 bytes.
FIELD = b"id"


class Notices:
    """Writes notices to one response stream."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client = client
        self._key = key

    def tell(self, request_id: UUID) -> None:
        """Wake whoever waits for this request, in any web process.

        Raises:
            redis.RedisError: the notice may not have been written.
        """
        oldest = int(time.time() * 1000) - KEPT_MS
        self._client.xadd(self._key, {FIELD: request_id.bytes}, minid=oldest, approximate=True)
