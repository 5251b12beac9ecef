"""Real Redis formations on loopback: Sentinel (1 master, 1 replica, 3 sentinels), Cluster (3 + 3), TLS."""

import datetime
import ipaddress
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.broker.servers import DEBIAN, Server, free_port, wait_for

#: The name of the master that the sentinels watch.
MASTER = "main"

#: A replica follows at once, where Redis would wait for others to come.
_EAGER = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")

_SLOTS = 16_384


@dataclass(frozen=True)
class Formation:
    """Servers that stand for one Redis, and the URL that a broker gets."""

    url: str
    #: Those that hold messages, replicas too.
    servers: list[Server]

    def empty(self) -> None:
        """Nothing is stored anywhere."""
        for server in self.servers:
            with server.client() as client:
                if client.role()[0] == b"master":
                    client.flushall()


class SentinelServer(Server):
    """A sentinel. It keeps what it learns in its configuration file."""

    habits = ()

    def watch(self, master: Server, quorum: int) -> None:
        """It will watch the master, once it is started."""
        self.folder.mkdir(parents=True)
        lines = [
            f"sentinel monitor {MASTER} 127.0.0.1 {master.port} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} 1000",
            f"sentinel failover-timeout {MASTER} 2000",
        ]
        (self.folder / "sentinel.conf").write_text("\n".join(lines))

    def arguments(self) -> list[str]:
        return [str(self.folder / "sentinel.conf"), "--sentinel", *super().arguments()]

    def hurry(self) -> None:
        """It looks at its servers, and talks to the others, more often than a sentinel does."""
        with self.client() as client:
            client.execute_command("SENTINEL", "DEBUG", "info-period", 500, "publish-period", 250)

    def agrees(self) -> bool:
        """Whether it knows the replica and two other sentinels."""
        with self.client() as client:
            state: dict[str, Any] = client.sentinel_master(MASTER)
        return (state["num-slaves"], state["num-other-sentinels"]) == (1, 2)


@contextmanager
def sentinel(folder: Path) -> Iterator[Formation]:
    """A master with a replica, watched by three sentinels of which two must agree."""
    with ExitStack() as stack:
        master = stack.enter_context(Server(DEBIAN, folder / "master", *_EAGER))
        replica = Server(DEBIAN, folder / "replica", *_EAGER, "--replicaof", f"127.0.0.1 {master.port}")
        stack.enter_context(replica)
        wait_for(lambda: _linked(replica), what="the replica following")
        sentinels = [SentinelServer(DEBIAN, folder / f"sentinel{number}") for number in range(3)]
        for one in sentinels:
            one.watch(master, quorum=2)
            stack.enter_context(one)
            one.hurry()
        wait_for(lambda: all(one.agrees() for one in sentinels), what="the sentinels' agreement")
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in sentinels)
        yield Formation(f"redis+sentinel://{hosts}/{MASTER}?socket_timeout=1", [master, replica])


def _linked(replica: Server) -> bool:
    with replica.client() as client:
        return bool(client.info("replication")["master_link_status"] == "up")


@contextmanager
def cluster(folder: Path) -> Iterator[Formation]:
    """Three masters with a third of the slots each, and a replica for each of them."""
    with ExitStack() as stack:
        buses = [free_port() for _ in range(6)]
        servers = [Server(DEBIAN, folder / f"node{number}", *_node(bus)) for number, bus in enumerate(buses)]
        for server in servers:
            stack.enter_context(server)
        clients = [stack.enter_context(server.client()) for server in servers]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server, bus in zip(servers[1:], buses[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        wait_for(lambda: all(_knows(client, 6) for client in clients), what="the nodes meeting")
        for number, client in enumerate(clients[:3]):
            first, last = number * _SLOTS // 3, (number + 1) * _SLOTS // 3 - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            clients[number + 3].execute_command("CLUSTER", "REPLICATE", client.execute_command("CLUSTER", "MYID"))
        wait_for(lambda: all(_complete(client) for client in clients), what="the cluster's agreement")
        wait_for(lambda: all(_linked(server) for server in servers[3:]), what="the replicas following")
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers[:3])
        yield Formation(f"redis+cluster://{hosts}?socket_timeout=1", servers)


def _node(bus: int) -> list[str]:
    own = ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000"]
    return [*own, "--cluster-replica-validity-factor", "0", *_EAGER]


def _knows(client: redis.Redis, number: int) -> bool:
    nodes = _told(client, "NODES")
    return nodes.count("\n") == number and "handshake" not in nodes


def _complete(client: redis.Redis) -> bool:
    return "cluster_state:ok" in _told(client, "INFO") and _told(client, "NODES").count("slave ") == 3


def _told(client: redis.Redis, what: str) -> str:
    # As separate words, so that redis-py leaves the reply as it is.
    reply: bytes = client.execute_command("CLUSTER", what)  # type: ignore[no-untyped-call]
    return reply.decode()


class TlsServer(Server):
    """A server that speaks TLS alone, with a certificate that it signed itself."""

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={self.folder / 'cert.pem'}"

    def certify(self) -> None:
        """It has a key and a certificate."""
        self.folder.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        (self.folder / "cert.pem").write_bytes(_certificate(key).public_bytes(serialization.Encoding.PEM))
        kind = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
        (self.folder / "key.pem").write_bytes(pem)

    def arguments(self) -> list[str]:
        ports = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        cert = str(self.folder / "cert.pem")
        keys = ["--tls-cert-file", cert, "--tls-key-file", str(self.folder / "key.pem"), "--tls-ca-cert-file", cert]
        return [*super().arguments(), *ports, *keys]


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
    return builder.sign(key, hashes.SHA256())


@contextmanager
def tls(folder: Path) -> Iterator[Formation]:
    """One server that speaks TLS alone."""
    server = TlsServer(DEBIAN, folder / "tls")
    server.certify()
    with server:
        yield Formation(server.url, [server])
