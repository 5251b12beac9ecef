"""The epoch of a queue: a name for one life of the Redis that holds it.

When Redis is emptied, or another server takes over, messages may be gone: the epoch is then another one, and every
request whose message was sent under the old one is sent again at once. Judging by age alone makes storms instead.
"""

from uuid import uuid4

import redis

from app.redis import epoch_key, stream_key


class Epoch:
    """Reads the epoch of one queue, and how much is in it."""

    def __init__(self, client: redis.Redis, *, namespace: str, queue: str) -> None:
        self._client = client
        self._key = epoch_key(namespace, queue)
        self._queue = stream_key(namespace, queue)

    def read(self) -> str:
        """Return the present epoch: a mark that dies with the data, and the run id that changes with the server.

        Raises:
            redis.RedisError: Redis cannot say.
        """
        # SET NX GET would do both at once, but only from Redis 7.0 on.
        self._client.set(self._key, uuid4().hex, nx=True)
        mark = self._client.get(self._key)
        run_id = self._client.info("server")["run_id"]
        return f"{mark.decode()}:{run_id}" if isinstance(mark, bytes) else f"{mark}:{run_id}"

    def depth(self) -> int:
        """Return how many messages wait or are being worked on. Raises redis.RedisError."""
        return int(self._client.xlen(self._queue))
