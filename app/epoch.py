"""The epoch of a queue: a name for one life of the Redis that holds it.

When Redis is emptied, or another server takes over, messages may be gone: the epoch is then another one, and every
request whose message was sent under the old one is sent again at once. Judging by age alone makes storms instead.
"""

from typing import cast
from uuid import uuid4

import redis

from app.redis import epoch_key, stream_key

#: Read the epoch, made where there is none, on the very server that holds the queue.
#:
#: KEYS   1 epoch
#: ARGV   1 the mark of a new epoch
#: Result {mark, run id of the server}
READ = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return {redis.call('GET', KEYS[1]), string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')}
"""


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
        mark, run_id = cast(list[bytes], self._client.eval(READ, 1, self._key, uuid4().hex))
        return f"{mark.decode()}:{run_id.decode()}"

    def depth(self) -> int:
        """Return how many messages wait or are being worked on. Raises redis.RedisError."""
        return int(self._client.xlen(self._queue))
