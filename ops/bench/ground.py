"""The one Redis on which all contenders run: emptied, filled and looked at from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from broker import connect
from ops.bench import tally
from ops.embedded import RedisServer

#: What is at all keys of a queue: name, time to live in ms (0 for ever) and what DUMP gave.
Snapshot = list[tuple[bytes, int, bytes]]

#: How long the slowest contender may take for one run.
PATIENCE_S = 120.0

#: Parts of INFO that are not 0 while the append-only file is being written or made anew.
_AT_WORK = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "aof_buffer_length", "aof_pending_bio_fsync")

#: Ends the count of commands.
_OVER = "bench: over"

#: Between two looks at whether a run is over.
LOOK_S = 0.003


class Ground:
    """A Redis server under measurement. The contenders have database 0, the bench's own keys are in another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = connect(url)
        self.desk = tally.connect(url)

    def clear(self) -> None:
        """The server is empty."""
        self.client.flushall()

    def snapshot(self) -> Snapshot:
        """Return all that the contenders' database holds."""
        found: Snapshot = []
        for key in self.client.scan_iter(count=1000):
            dump: Any = self.client.dump(key)
            left_ms: Any = self.client.pttl(key)
            found.append((key, max(0, left_ms), dump))
        return found

    def restore(self, snapshot: Snapshot) -> None:
        """The server holds what it held then, and nothing else."""
        self.clear()
        for key, left_ms, dump in snapshot:
            self.client.restore(key, left_ms, dump)

    def persist(self, every_second: bool) -> None:
        """The append-only file is written, and synced every second, or is not written at all."""
        self.client.config_set("appendfsync", "everysec")
        self.client.config_set("appendonly", "yes" if every_second else "no")
        wait_for(lambda: self.quiet, "the append-only file")

    @property
    def quiet(self) -> bool:
        """Whether nothing is being saved and nothing waits to be written."""
        state: Any = self.client.info("persistence")
        return not any(state.get(name, 0) for name in _AT_WORK)

    @property
    def used_bytes(self) -> int:
        """Redis's `used_memory`."""
        memory: Any = self.client.info("memory")
        return int(memory["used_memory"])

    @property
    def version(self) -> str:
        """Redis's version."""
        server: Any = self.client.info("server")
        return str(server["redis_version"])

    def commands(self, seconds: float) -> int:
        """Return how many commands clients send in so many seconds, without what scripts do inside."""
        watcher: Any = redis.Redis.from_url(self.url, socket_timeout=None)
        with watcher.monitor() as monitor:
            time.sleep(seconds)
            self.desk.echo(_OVER)
            number = 0
            for command in monitor.listen():
                if _OVER in command["command"]:
                    break
                number += command["client_type"] != "lua"
        return number


@contextmanager
def serve(folder: Path, *, binary: Path | None, aof: bool) -> Iterator[Ground]:
    """A server of its own for the measurement; `aof` gives it an append-only file, synced every second."""
    args = ["--appendonly", "yes" if aof else "no", "--loglevel", "warning"]
    with RedisServer(folder, binary=binary, args=args) as server:
        yield Ground(server.url)


def wait_for(
    condition: Callable[[], object], what: str, *, patience_s: float = PATIENCE_S, look_s: float = LOOK_S
) -> None:
    """Return once the condition holds; it is looked at every `look_s`. Raises TimeoutError."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {patience_s:g} s")
        time.sleep(look_s)
