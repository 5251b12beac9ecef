"""One command to Redis and its raw reply, without most of what redis-py does around it.

`execute_command` costs five times the CPU of the exchange itself: it checks a connection out and in under locks,
counts that, asks after its health and wraps it in a retry. Here a connection stays checked out between commands,
so that the pool still closes it when the pool is closed, and goes through the pool again when it rested for long.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import redis
from redis.connection import ConnectionPool
from redis.exceptions import ResponseError
from redis.sentinel import SentinelConnectionPool

from broker.client import Fresh

try:
    import hiredis
except ImportError:
    _pack: Callable[[Any], bytes] | None = None
else:
    # redis-py packs with it too, but looks at every argument before.
    _pack = hiredis.pack_command

#: A connection that was not used for this long may have been closed by Redis: it is looked at, in seconds.
_RESTED_S = 0.01

#: After this long it goes through the pool, which has more to see to, in seconds.
_LEFT_S = 1.0

#: What redis-py can send as it is.
Text = bytes | str | int | float

_lock = threading.Lock()
_kept: WeakKeyDictionary[Any, _Kept] = WeakKeyDictionary()


class _Kept:
    """Connections of one pool that are checked out and not in use, and when (monotonic, s) they were."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.pid = os.getpid()
        self.resting: deque[tuple[Any, float]] = deque()

    def take(self) -> Any:
        try:
            # The operations of a deque are atomic, and the last one is the least rested.
            connection, used_at = self.resting.pop()
        except IndexError:
            return self.pool.get_connection()
        rested_s = time.monotonic() - used_at
        # Of Sentinel's, only the pool knows whether they still lead to the master.
        if rested_s < _RESTED_S or (rested_s < _LEFT_S and type(self.pool) is ConnectionPool and _is_sound(connection)):
            return connection
        self.pool.release(connection)
        return self.pool.get_connection()

    def rest(self, connection: Any) -> None:
        """The connection may be taken again."""
        self.resting.append((connection, time.monotonic()))

    def drop(self, connection: Any) -> None:
        """The connection is cut."""
        connection.disconnect()
        self.pool.release(connection)


def _is_sound(connection: Any) -> bool:
    """Whether it is open and nothing is left to be read, neither a reply nor its end. Does not wait."""
    try:
        return bool(connection.is_connected) and not connection.can_read()
    except (redis.RedisError, OSError):
        return False


def call(client: Any, *command: Text) -> Any:
    """Return the reply to a command. Nothing is repeated, and nothing made of the reply, but by a cluster's client.

    Raises redis-py's errors.
    """
    [reply] = call_all(client, command)
    if isinstance(reply, ResponseError):
        raise reply
    return reply


def call_all(client: Any, *commands: Sequence[Text]) -> list[Any]:
    """Return the replies to commands that are sent together, with Redis's error in the place of a reply.

    Redis does the second as soon as the first is done, also if that one blocks. A cluster's client sends them one by
    one. Raises redis-py's errors, save ResponseError.
    """
    kept = _keep(client)
    if kept is None:
        return [_outcome(partial(client.execute_command, *command)) for command in commands]
    connection = kept.take()
    try:
        _send(connection, commands)
        replies: list[Any] = []
        for _ in commands:
            # An error that says "not the master" ends the connection, and is the answer to all.
            is_lost = bool(replies) and not connection.is_connected
            replies.append(replies[-1] if is_lost else _outcome(partial(_read, connection)))
    except BaseException:
        # A reply may still come: nobody must read it as that to another command.
        kept.drop(connection)
        raise
    kept.rest(connection)
    return replies


def _outcome(reply: Callable[[], Any]) -> Any:
    try:
        return reply()
    except ResponseError as error:
        return error


def _send(connection: Any, commands: Sequence[Sequence[Text]]) -> None:
    if _pack:
        packed = [b"".join(map(_pack, commands))]
    else:
        packed = [part for command in commands for part in connection.pack_command(*command)]
    if isinstance(connection, Fresh):
        connection.post(packed)
    else:
        connection.send_packed_command(packed, check_health=False)


def _read(connection: Any) -> Any:
    return connection.answer() if isinstance(connection, Fresh) else connection.read_response()


def _keep(client: Any) -> _Kept | None:
    """Return what is kept for a client; None for kinds of clients that have to choose a connection themselves."""
    kept = _kept.get(client)
    if kept is not None and kept.pid == os.getpid():
        return kept
    pool: Any = getattr(client, "connection_pool", None)
    if not isinstance(client, redis.Redis) or type(pool) not in (ConnectionPool, SentinelConnectionPool):
        return None
    with _lock:
        kept = _kept.get(client)
        if kept is None or kept.pid != os.getpid():
            # After a fork the parent's connections are the parent's.
            kept = _kept[client] = _Kept(pool)
        return kept
