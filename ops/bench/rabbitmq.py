"""A RabbitMQ node for the time of a measurement, if Debian's rabbitmq-server is installed.

The node and the Erlang port mapper that it needs are children of this process, on ports of their own, on loopback.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ops import leash
from ops.bench.ground import wait_for

#: The environment variable by which a contender's program learns where the node is.
ADDRESS = "BENCH_AMQP_URL"

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_PORT_MAPPER = Path("/usr/bin/epmd")

#: How long a node may take to start, in seconds.
_START_S = 60.0


class NotInstalled(RuntimeError):
    """There is no RabbitMQ here; the message says what to do."""


@contextmanager
def node() -> Iterator[None]:
    """A node runs, and children learn from their environment where. Raises NotInstalled, TimeoutError."""
    if not (_SERVER.exists() and _PORT_MAPPER.exists()):
        raise NotInstalled("not installed (apt-get install rabbitmq-server)")
    port, mapper, distribution = _free_ports(3)
    with tempfile.TemporaryDirectory(prefix="bench-rabbitmq-") as folder, ExitStack() as stack:
        settings = {
            **os.environ,
            "HOME": folder,
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "bench@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/config",
        }
        stack.enter_context(_child([str(_PORT_MAPPER), "-port", str(mapper)], settings))
        stack.enter_context(_child([str(_SERVER)], settings))
        wait_for(lambda: _greets(port), "RabbitMQ's start", patience_s=_START_S)
        os.environ[ADDRESS] = f"amqp://guest:guest@127.0.0.1:{port}"
        try:
            yield
        finally:
            del os.environ[ADDRESS]


@contextmanager
def _child(command: list[str], settings: dict[str, str]) -> Iterator[None]:
    child = subprocess.Popen(
        [*leash.command(signal.SIGKILL), *command],
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        # The whole group: a shell script starts the node, which starts helpers.
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _greets(port: int) -> bool:
    """Whether a server that speaks AMQP answers: to a wrong protocol header it sends its own (AMQP 0-9-1, 4.2.2)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x00\x00")
            return connection.recv(4) == b"AMQP"
    except OSError:
        return False


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
