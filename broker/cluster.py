"""A Redis Cluster client that connects on first use and repeats nothing but what a node redirected.

A queue lies in one slot, so every command goes to one node. There are no pipelines: redis-py's, over a cluster,
send again what may have been done when a reply was lost.
"""

from __future__ import annotations

import threading
from typing import Any

import redis
from redis._parsers import Encoder
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.commands import CoreCommands
from redis.event import EventDispatcher
from redis.retry import Retry


def greet(connection: Any) -> None:
    """The connection has had a reply.

    Over TLS 1.3 a server sends session tickets unasked, and redis-py takes a new connection with unread bytes for
    a broken one.
    """
    connection.send_command("PING")
    connection.read_response()


class Cluster(CoreCommands):
    """All of redis-py's commands on a cluster, over connections that begin with the first of them.

    addresses: host and port of some nodes; the others are learned from them.
    options: how to connect to a node, as for `redis.Redis`.
    """

    def __init__(self, addresses: list[tuple[str, int]], **options: Any) -> None:
        self.addresses = addresses
        self.options = options
        self._cluster: RedisCluster | None = None
        self._opening = threading.Lock()
        # The commands' base class wants one; whoever listens is in `_cluster`.
        self._event_dispatcher = EventDispatcher()

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Return the reply of the node that holds the command's keys."""
        return self._open().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]  # theirs

    def nodes(self) -> list[redis.Redis]:
        """Return the clients of all nodes that are known. Does not connect."""
        cluster = self._cluster
        nodes = [] if cluster is None else cluster.get_nodes()  # type: ignore[no-untyped-call]  # theirs
        return [node.redis_connection for node in nodes if node.redis_connection is not None]

    def get_encoder(self) -> Any:
        """Return how replies are decoded. Does not connect."""
        return Encoder("utf-8", "strict", bool(self.options.get("decode_responses", False)))  # type: ignore[no-untyped-call]  # theirs

    def close(self) -> None:
        """All connections are closed. The next command opens new ones."""
        with self._opening:
            cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def _open(self) -> RedisCluster:
        """Return redis-py's client. Raises RedisClusterException when no node answers."""
        found = self._cluster
        if found is not None:
            return found
        with self._opening:
            # Another thread may have got here first.
            if self._cluster is None:
                self._cluster = RedisCluster(
                    startup_nodes=[ClusterNode(*address) for address in self.addresses],  # type: ignore[no-untyped-call]  # theirs
                    retry=Retry(NoBackoff(), 0),
                    # A queue does not need the slots of others.
                    require_full_coverage=False,
                    redis_connect_func=greet if self.options.get("ssl") else None,
                    **self.options,
                )
            return self._cluster
