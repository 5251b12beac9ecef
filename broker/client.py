"""The one maker of Redis clients: for a single server, for Sentinel and for Redis Cluster.

redis-py 8 silently repeats a command up to ten times: after a lost reply that doubles an XADD,
and it strands entries that an XREADGROUP had already handed out. So nothing is repeated here.
"""

from __future__ import annotations

import functools
import re
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import ConnectionPool, SSLConnection, parse_url
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from broker.cluster import Cluster, greet

#: How long a reply may take, unless told otherwise. Must exceed every BLOCK sent over the client.
READ_TIMEOUT_S = 5.0

#: How long connecting may take.
CONNECT_TIMEOUT_S = 5.0

#: How long a sentinel may take to connect or to answer: there are others to ask.
_SENTINEL_TIMEOUT_S = 1.0

_SENTINEL_PORT, _REDIS_PORT = 26379, 6379

# Finds a peer that vanished without a word after 30 + 3 x 5 seconds, where the platform has these.
_KEEPALIVE = {
    getattr(socket, name): seconds
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}

# These say that another server is the master now, or is about to be. Inside a script Redis 6.2 hides it in the text,
# and where redis-py knows the kind it takes the word out of the text.
_NOT_MASTER_CLASSES = (ReadOnlyError, MasterDownError)
_NOT_MASTER_TEXT = re.compile(r"\b(READONLY|MASTERDOWN|UNBLOCKED)\b")

# What redis-py puts among a pool's options and cannot be given to another pool.
_BOUND = (
    "connection_pool",
    "event_dispatcher",
    "himport_registry",
    "maint_notifications_config",
    "maint_notifications_pool_handler",
    "redis_connect_func",
)


def connect(
    url: str, *, read_timeout_s: float = READ_TIMEOUT_S, connect_timeout_s: float = CONNECT_TIMEOUT_S
) -> redis.Redis:
    """Return a client for a URL, with every option pinned. Connects on first use.

    `redis://`, `rediss://` (TLS), `unix://` as in redis-py;
    `redis+sentinel://user:password@host:port,host:port/master-name?db=0`, user and password those of the master and
    `sentinel_username`, `sentinel_password` in the query those of the sentinels;
    `redis+cluster://user:password@host:port,host:port`; both with `rediss+` for TLS.

    It speaks RESP2, gives bytes and repeats nothing. Options in the query win, but for decode_responses. For a
    cluster it is a `broker.cluster.Cluster`, which has the same commands and is no `redis.Redis` to isinstance.
    Raises ValueError for a URL that is none of these.
    """
    scheme = urlsplit(url).scheme
    options: dict[str, Any] = {**_pins(), "socket_timeout": read_timeout_s, "driver_info": None}
    if scheme != "unix":
        options |= {
            "socket_connect_timeout": connect_timeout_s,
            "socket_keepalive": True,
            "socket_keepalive_options": _KEEPALIVE,
        }
    client: Any
    if scheme in ("redis+sentinel", "rediss+sentinel"):
        client = _sentinel(url, options)
    elif scheme in ("redis+cluster", "rediss+cluster"):
        client = _cluster(url, options)
    else:
        client = _fresh(redis.Redis.from_url(url, **options))
    checked: redis.Redis = undecoded(client)
    return checked


def undecoded(client: Any) -> Any:
    """Return the client, which gives bytes. Raises ValueError when it decodes replies: messages are bytes."""
    if client.get_encoder().decode_responses:
        raise ValueError("the broker needs a client without decode_responses: messages are bytes")
    return client


def twin(client: Any) -> Any:
    """Return a client like the given one which repeats nothing and has its own connections."""
    if isinstance(client, Cluster):
        return Cluster(client.addresses, **client.options)
    if isinstance(client, RedisCluster):
        return _cluster_twin(client)
    pool = client.connection_pool
    options = _unbound(pool.connection_kwargs)
    if isinstance(pool, SentinelConnectionPool):
        return _fresh(
            redis.Redis(
                connection_pool=SentinelConnectionPool(  # type: ignore[no-untyped-call]  # theirs
                    pool.service_name,
                    pool.sentinel_manager,
                    is_master=pool.is_master,
                    connection_class=pool.connection_class,
                    **options,
                )
            )
        )
    return _fresh(redis.Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options)))


def disconnect(client: Any) -> None:
    """All connections are cut, also those that a thread is waiting on: it gets a ConnectionError."""
    for server in client.nodes() if isinstance(client, Cluster) else [client]:
        server.connection_pool.disconnect()


def read_timeout_ms(client: Any) -> float:
    """Return how long the client waits for a reply; infinity when it waits for ever."""
    options = client.options if isinstance(client, Cluster) else client.connection_pool.connection_kwargs
    seconds = options.get("socket_timeout", READ_TIMEOUT_S)
    return float("inf") if seconds is None else float(seconds) * 1000


# Options.


def _pins() -> dict[str, Any]:
    # health_check_interval: a PING that fails is as fatal as the command after it, when nothing is
    # repeated; the pool looks for closed sockets by itself and keepalive closes the dead ones.
    return {
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "health_check_interval": 0,
        "protocol": 2,
        "legacy_responses": True,
    }


def _unbound(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _BOUND} | _pins()


def _parse(url: str, port: int) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """Return the addresses, the first part of the path and the other options of a URL with several hosts."""
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    addresses = [_address(host, port) for host in hosts.split(",") if host]
    if not addresses:
        raise ValueError(f"no host in a URL that begins with {parts.scheme}://")
    options = parse_url(f"redis://{user}@localhost/?{parts.query}")  # type: ignore[no-untyped-call]  # theirs
    options.pop("host")
    if parts.scheme.startswith("rediss"):
        options["ssl"] = True
    return addresses, unquote(parts.path.strip("/")), options


def _address(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if parts.hostname is None:
        raise ValueError(f"{text!r} is no host")
    return parts.hostname, parts.port or port


# Kinds of clients.


def _sentinel(url: str, options: dict[str, Any]) -> redis.Redis:
    addresses, master, more = _parse(url, _SENTINEL_PORT)
    if not master:
        raise ValueError("a redis+sentinel:// URL ends with the name of the master")
    asking: dict[str, Any] = {
        **{name: value for name, value in {**options, **more}.items() if name.startswith(("socket_", "ssl"))},
        **_pins(),
        "socket_timeout": _SENTINEL_TIMEOUT_S,
        "socket_connect_timeout": _SENTINEL_TIMEOUT_S,
        "username": more.pop("sentinel_username", None),
        "password": more.pop("sentinel_password", None),
    }
    sentinels = Sentinel(addresses, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]  # theirs
    client: redis.Redis = sentinels.master_for(master, **{**options, **more})  # type: ignore[no-untyped-call]  # theirs
    return _fresh(client)


def _cluster(url: str, options: dict[str, Any]) -> Cluster:
    addresses, path, more = _parse(url, _REDIS_PORT)
    if path not in ("", "0"):
        raise ValueError("a Redis Cluster has no databases but 0")
    return Cluster(addresses, **_clustered({**options, **more}))


def _cluster_twin(client: RedisCluster) -> Cluster:
    options = _unbound(client.nodes_manager.connection_kwargs)
    addresses = [(node.host, node.port) for node in client.startup_nodes]
    kind = options.pop("connection_class", None)
    if isinstance(kind, type) and issubclass(kind, SSLConnection):
        options["ssl"] = True
    return Cluster(addresses, **_clustered(options))


def _clustered(options: dict[str, Any]) -> dict[str, Any]:
    # The cluster's nodes get their own retry, which repeats nothing, and there is one database.
    return {name: value for name, value in options.items() if name not in ("retry", "retry_on_error", "db")}


# Connections that do not stay with a server which was demoted.


class Fresh:
    """Ends with the first reply that says "not the master": the next one asks Sentinel, or DNS, where that is."""

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)  # type: ignore[misc]  # mixed into redis-py's connections
        if isinstance(self, SSLConnection):
            greet(self)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]  # mixed into redis-py's connections
        except ResponseError as error:
            self._heed(error)
            raise

    def post(self: Any, packed: list[bytes]) -> None:
        """A packed command is on its way, without what redis-py asks itself before each of them.

        Raises redis-py's errors: the caller disconnects.
        """
        if not self._sock:
            self.connect_check_health(check_health=False)
        try:
            for part in packed:
                self._sock.sendall(part)
        except OSError as error:
            raise self._translated(error) from error

    def answer(self: Any) -> Any:
        """Return the reply to what was posted.

        Raises redis-py's errors. After any but a ResponseError the reply may still come: the caller disconnects.
        """
        try:
            reply = self._parser.read_response()
        except OSError as error:
            raise self._translated(error) from error
        if isinstance(reply, ResponseError):
            self._heed(reply)
            raise reply
        return reply

    def _translated(self: Any, error: OSError) -> redis.RedisError:
        kind = redis.TimeoutError if isinstance(error, TimeoutError) else redis.ConnectionError
        return kind(f"{self._host_error()}: {error}")

    def _heed(self, error: ResponseError) -> None:
        if isinstance(error, _NOT_MASTER_CLASSES) or _NOT_MASTER_TEXT.search(str(error)):
            self.disconnect()  # type: ignore[attr-defined]  # mixed into redis-py's connections


@functools.cache
def _mixed(kind: type) -> type:
    return kind if issubclass(kind, Fresh) else type(kind.__name__, (Fresh, kind), {})


def _fresh(client: redis.Redis) -> redis.Redis:
    pool = client.connection_pool
    pool.connection_class = _mixed(pool.connection_class)
    return client
