"""Redis's errors in Dramatiq's words.

Dramatiq retries only after a `BrokerConnectionError`. redis-py spreads what passes by itself
(no connection, a slow reply, a replica, no memory, a cluster in election) over unrelated classes,
and inside a script Redis 6.2 hides the kind in the text. So both, class and text, are looked at.
"""

from __future__ import annotations

import re
from types import TracebackType

import redis.exceptions as redis_errors
from dramatiq.errors import BrokerConnectionError, ConnectionClosed, ConnectionFailed

_TRANSIENT_CLASSES = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.OutOfMemoryError,
    redis_errors.ClusterError,
    redis_errors.RedisClusterException,
    redis_errors.TryAgainError,
    redis_errors.AskError,
)

_TRANSIENT_TEXT = re.compile(
    r"\b(OOM|READONLY|LOADING|BUSY|MISCONF|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|UNBLOCKED)\b"
)

_REFUSED = (redis_errors.AuthenticationError, redis_errors.AuthorizationError)


def translate(error: Exception) -> BrokerConnectionError | None:
    """Return the error as Dramatiq's own if trying again may help, else None."""
    if isinstance(error, _REFUSED):
        return ConnectionFailed(error)  # type: ignore[no-untyped-call]  # theirs
    if isinstance(error, _TRANSIENT_CLASSES):
        return ConnectionClosed(error)  # type: ignore[no-untyped-call]  # theirs
    if isinstance(error, redis_errors.RedisError) and _TRANSIENT_TEXT.search(str(error)):
        return ConnectionClosed(error)  # type: ignore[no-untyped-call]  # theirs
    return None


class translated:
    """Raise Dramatiq's error in place of Redis's, where trying again may help."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, redis_errors.RedisError | redis_errors.RedisClusterException):
            replacement = translate(error)
            if replacement is not None:
                raise replacement from error


def is_missing(error: Exception) -> bool:
    """Tell whether the stream or its group is gone; the next turn at the queue makes them again."""
    return isinstance(error, redis_errors.ResponseError) and ("NOGROUP" in str(error) or "UNBLOCKED" in str(error))
