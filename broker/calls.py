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
from collections.abc import Callable
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


def call(client: Any, *command: bytes | str | int | float) -> Any:
    """Return the reply to a command. Nothing is repeated, and nothing made of the reply, but by a cluster's client.

    Raises redis-py's errors.
    """
    return ask(client, *command)()


def ask(client: Any, *command: bytes | str | int | float) -> Callable[[], Any]:
    """Return, with the command on its way, what waits for the reply and returns it; it must be called once.

    Both raise redis-py's errors.
    """
    kept = _kept.get(client)
    if kept is None or kept.pid != os.getpid():
        kept = _keep(client)
        if kept is None:
            reply = client.execute_command(*command)
            return lambda: reply
    connection = kept.take()
    try:
        packed = [_pack(command)] if _pack else connection.pack_command(*command)
        if isinstance(connection, Fresh):
            connection.post(packed)
        else:
            connection.send_packed_command(packed, check_health=False)
    except BaseException:
        kept.drop(connection)
        raise
    return partial(_answer, kept, connection)


def _answer(kept: _Kept, connection: Any) -> Any:
    try:
        reply = connection.answer() if isinstance(connection, Fresh) else connection.read_response()
    except ResponseError:
        kept.rest(connection)
        raise
    except BaseException:
        # The reply may still come: nobody must read it as that to another command.
        kept.drop(connection)
        raise
    kept.rest(connection)
    return reply


def _keep(client: Any) -> _Kept | None:
    """Return what is kept for a client; None for kinds of clients that have to choose a connection themselves."""
    pool: Any = getattr(client, "connection_pool", None)
    if not isinstance(client, redis.Redis) or type(pool) not in (ConnectionPool, SentinelConnectionPool):
        return None
    with _lock:
        kept = _kept.get(client)
        if kept is None or kept.pid != os.getpid():
            # After a fork the parent's connections are the parent's.
            kept = _kept[client] = _Kept(pool)
        return kept
