"""Redis formations on loopback, made to be broken: Sentinel (1 master, 1 replica, 3 sentinels) and Cluster (3 + 3).

What may surprise: nothing is on disk here, because replicas are what keeps it. So a master that was killed must have
been followed by another before it is started again.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from broker import connect
from ops.embedded import RedisServer

#: The name of the master that the sentinels watch.
MASTER = "main"

#: How long servers may take to agree, on a busy machine, in seconds.
PATIENCE_S = 60.0

#: No persistence. Who blocks for some milliseconds is let go after as many: Redis looks ten times a second by itself.
_FLEETING = ("--appendonly", "no", "--hz", "100")

#: A replica follows at once, where Redis would wait for others to come.
_EAGER = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")

_SLOTS = 16_384


class Node(RedisServer):
    """A Redis that keeps nothing on disk and takes signals."""

    def __init__(self, data: Path, *args: str, binary: Path | None = None) -> None:
        super().__init__(data, binary=binary, args=(*_FLEETING, *args))

    def client(self) -> redis.Redis:
        """Return a client that gives up soon and repeats nothing."""
        return connect(self.url, read_timeout_s=5)

    @property
    def is_master(self) -> bool:
        """Whether it answers, and says that it is no replica."""
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.role()[0] == b"master")
        return False

    @property
    def is_followed(self) -> bool:
        """Whether a replica follows it, up to now."""
        with suppress(redis.RedisError), self.client() as client:
            replicas = client.role()[2]
            return bool(replicas) and all(int(one[2]) > 0 for one in replicas)
        return False

    @property
    def follows(self) -> bool:
        """Whether it has a link to its master."""
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")
        return False

    def replicate(self) -> None:
        """Its replicas have all that this master had when it was asked. Raises TimeoutError."""
        with self.client() as client:
            # WAIT would look at what this connection has written, which is nothing.
            written = int(client.role()[1])

            def has_all() -> bool:
                replicas = client.role()[2]
                return bool(replicas) and all(int(offset) >= written for _, _, offset in replicas)

            until(has_all, "the replicas catching up")


@dataclass(frozen=True)
class Formation:
    """Servers that stand for one Redis, and the URL that a broker gets."""

    url: str
    #: Those that hold messages, replicas too.
    servers: Sequence[Node]

    @property
    def masters(self) -> list[Node]:
        """Those that say they are masters now. For a while after a failover the old one may be among them."""
        return [server for server in self.servers if server.is_master]

    def empty(self) -> None:
        """Nothing is stored anywhere."""
        for master in self.masters:
            with master.client() as client:
                client.flushall()

    def heal(self) -> None:
        """All servers run, half of them as masters, each with a replica. Raises TimeoutError."""
        for server in self.servers:
            server.tell(signal.SIGCONT)
            server.start()
        until(lambda: self._is_whole, "a replica for each master")

    def is_led_without(self, lost: Node) -> bool:
        """Tell whether there are as many masters as there have to be, that one aside."""
        return 2 * sum(server.is_master for server in self.servers if server is not lost) == len(self.servers)

    @property
    def _is_whole(self) -> bool:
        masters = self.masters
        return 2 * len(masters) == len(self.servers) and all(
            server.is_followed if server in masters else server.follows for server in self.servers
        )


class Sentinel(Node):
    """A sentinel. It keeps what it learns in its configuration file."""

    def watch(self, master: Node, quorum: int) -> None:
        """It will watch the master, once it is started."""
        self.data.mkdir(parents=True)
        lines = [
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} 1000",
            f"sentinel failover-timeout {MASTER} 2000",
        ]
        self._configuration.write_text("\n".join(lines))

    def hurry(self) -> None:
        """It looks at its servers, and talks to the others, more often than a sentinel does. Since Redis 7.0."""
        with self.client() as client, suppress(redis.ResponseError):
            client.execute_command("SENTINEL", "DEBUG", "info-period", 500, "publish-period", 250)

    @property
    def agrees(self) -> bool:
        """Whether it knows the replica and two other sentinels."""
        with self.client() as client:
            state: dict[str, Any] = client.sentinel_master(MASTER)
        return (state["num-slaves"], state["num-other-sentinels"]) == (1, 2)

    @property
    def _configuration(self) -> Path:
        return self.data / "sentinel.conf"

    def _command(self, port: int) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(self.data)]
        return [str(self._binary), str(self._configuration), "--sentinel", *where]


@contextmanager
def sentinel(folder: Path, *, binary: Path | None = None) -> Iterator[Formation]:
    """A master with a replica, watched by three sentinels of which two must agree."""
    with ExitStack() as stack:
        master = stack.enter_context(Node(folder / "master", *_EAGER, binary=binary))
        following = ("--replicaof", "127.0.0.1", str(master.port))
        replica = stack.enter_context(Node(folder / "replica", *_EAGER, *following, binary=binary))
        until(lambda: replica.follows, "the replica following")
        sentinels = [Sentinel(folder / f"sentinel{number}", binary=binary) for number in range(3)]
        for one in sentinels:
            one.watch(master, quorum=2)
            stack.enter_context(one)
            one.hurry()
        until(lambda: all(one.agrees for one in sentinels), "the sentinels' agreement")
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in sentinels)
        yield Formation(f"redis+sentinel://{hosts}/{MASTER}?socket_timeout=1", [master, replica])


@contextmanager
def cluster(folder: Path, *, binary: Path | None = None) -> Iterator[Formation]:
    """Three masters with a third of the slots each, and a replica for each of them."""
    with ExitStack() as stack:
        own = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        followed = ("--cluster-replica-validity-factor", "0", *_EAGER)
        servers = [Node(folder / f"node{number}", *own, *followed, binary=binary) for number in range(6)]
        for server in servers:
            stack.enter_context(server)
        clients = [stack.enter_context(server.client()) for server in servers]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in servers[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port)
        until(lambda: all(_knows(client, 6) for client in clients), "the nodes meeting")
        for number, client in enumerate(clients[:3]):
            client.execute_command("CLUSTER", "ADDSLOTS", *range(number * _SLOTS // 3, (number + 1) * _SLOTS // 3))
            clients[number + 3].execute_command("CLUSTER", "REPLICATE", client.execute_command("CLUSTER", "MYID"))
        until(lambda: all(_complete(client) for client in clients), "the cluster's agreement")
        until(lambda: all(server.follows for server in servers[3:]), "the replicas following")
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers[:3])
        yield Formation(f"redis+cluster://{hosts}?socket_timeout=1", servers)


def _knows(client: redis.Redis, number: int) -> bool:
    nodes = _told(client, "NODES")
    return nodes.count("\n") == number and "handshake" not in nodes


def _complete(client: redis.Redis) -> bool:
    return "cluster_state:ok" in _told(client, "INFO") and _told(client, "NODES").count("slave ") == 3


def _told(client: redis.Redis, what: str) -> str:
    # As separate words, so that redis-py leaves the reply as it is.
    reply: bytes = client.execute_command("CLUSTER", what)  # type: ignore[no-untyped-call]  # theirs
    return reply.decode()


def until(condition: Callable[[], object], what: str, *, patience_s: float = PATIENCE_S) -> None:
    """Return once the condition holds. Raises TimeoutError, which says what was waited for."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what} did not come true within {patience_s:g} s")
        time.sleep(0.01)
