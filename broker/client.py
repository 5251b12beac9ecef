"""The one maker of Redis clients.

redis-py 8 silently repeats a command up to ten times: after a lost reply that doubles an XADD,
and it strands entries that an XREADGROUP had already handed out. So nothing is repeated here.
"""

from __future__ import annotations

import socket
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

#: How long a reply may take, unless told otherwise. Must exceed every BLOCK sent over the client.
READ_TIMEOUT_S = 5.0

#: How long connecting may take.
CONNECT_TIMEOUT_S = 5.0

# Finds a peer that vanished without a word after 30 + 3 x 5 seconds, where the platform has these.
_KEEPALIVE = {
    getattr(socket, name): seconds
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


def _pins() -> dict[str, Any]:
    # health_check_interval: a PING that fails is as fatal as the command after it, when nothing is
    # repeated; the pool looks for closed sockets by itself and keepalive closes the dead ones.
    return {"retry": Retry(NoBackoff(), 0), "retry_on_error": [], "health_check_interval": 0}


def connect(
    url: str, *, read_timeout_s: float = READ_TIMEOUT_S, connect_timeout_s: float = CONNECT_TIMEOUT_S
) -> redis.Redis:
    """Return a client for `redis://`, `rediss://` or `unix://`, with every option pinned. Connects on first use.

    It speaks RESP2, gives bytes and repeats nothing. Options in the URL's query win, but for decode_responses.
    """
    options: dict[str, Any] = {
        **_pins(),
        "socket_timeout": read_timeout_s,
        "protocol": 2,
        "driver_info": None,
    }
    if not url.startswith("unix:"):
        options |= {
            "socket_connect_timeout": connect_timeout_s,
            "socket_keepalive": True,
            "socket_keepalive_options": _KEEPALIVE,
        }
    client = redis.Redis.from_url(url, **options)
    undecoded(client)
    return client


def undecoded(client: Any) -> Any:
    """Return the client, which gives bytes. Raises ValueError when it decodes replies: messages are bytes."""
    if client.get_encoder().decode_responses:
        raise ValueError("the broker needs a client without decode_responses: messages are bytes")
    return client


def twin(client: Any) -> Any:
    """Return a client like the given one which repeats nothing and has its own connections.

    Clients of kinds that cannot be copied (Redis Cluster) are returned as they are.
    """
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, ConnectionPool):
        return client
    options: dict[str, Any] = {**pool.connection_kwargs, **_pins(), "protocol": 2, "legacy_responses": True}
    for bound in (
        "connection_pool",
        "maint_notifications_config",
        "maint_notifications_pool_handler",
        "event_dispatcher",
    ):
        options.pop(bound, None)
    if isinstance(pool, SentinelConnectionPool):
        return redis.Redis(
            connection_pool=SentinelConnectionPool(  # type: ignore[no-untyped-call]  # theirs
                pool.service_name, pool.sentinel_manager, is_master=pool.is_master, **options
            )
        )
    return redis.Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options))


def read_timeout_ms(client: Any) -> float:
    """Return how long the client waits for a reply; infinity when it waits for ever."""
    pool = getattr(client, "connection_pool", None)
    seconds = pool.connection_kwargs.get("socket_timeout", READ_TIMEOUT_S) if pool is not None else READ_TIMEOUT_S
    return float("inf") if seconds is None else float(seconds) * 1000
