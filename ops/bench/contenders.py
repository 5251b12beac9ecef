"""Who runs against whom, and how their processes are started and asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from broker import keys
from ops import leash
from ops.bench import environment, tally
from ops.bench.ground import LOOK_S, PATIENCE_S, Ground, wait_for
from ops.bench.tally import Report

ROOT = Path(__file__).parents[2]

_QUEUE = keys.queue("", "default")


class ProgramFailed(RuntimeError):
    """A contender's program ended by itself; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A queue under measurement: a program that obeys `ops.bench.stage`."""

    name: str
    #: The program, as `python -m` takes it.
    module: str
    python: Path
    #: How many messages are waiting or not acknowledged; None when only the worker can say that it has run all.
    left: Callable[[redis.Redis], int] | None = None
    #: Whether its messages lie elsewhere than in the bench's Redis, so that they cannot be kept for another run.
    elsewhere: bool = False

    def command(self, role: str, url: str, *arguments: object) -> list[str]:
        """Return the command line of one of its roles."""
        return [str(self.python), "-m", self.module, role, url, *map(str, arguments)]

    def is_done(self, ground: Ground) -> bool:
        """Whether nothing is left to run."""
        if self.left is None:
            return bool(ground.desk.exists(tally.DONE))
        return self.left(ground.client) == 0


def _entries(client: redis.Redis) -> int:
    length: Any = client.xlen(_QUEUE.stream)
    return int(length)


def _bodies(client: redis.Redis) -> int:
    # RedisBroker drops the body when a message is acknowledged.
    length: Any = client.hlen("dramatiq:default.msgs")
    return int(length)


_HERE = Path(sys.executable)

OURS = Contender("ours", "ops.bench.peers.ours", _HERE, _entries)
REDIS_BROKER = Contender("RedisBroker", "ops.bench.peers.dramatiq_redis", _HERE, _bodies)
BULK = Contender("bulk", "ops.bench.peers.bulk", _HERE, _entries)
LATER = Contender("later", "ops.bench.peers.later", _HERE)
NULL = Contender("null broker", "ops.bench.peers.null", _HERE)
HUEY = Contender("huey", "ops.bench.peers.huey", environment.PYTHON)
RABBITMQ = Contender("Dramatiq, RabbitMQ", "ops.bench.peers.dramatiq_rabbitmq", environment.PYTHON, elsewhere=True)
PEERS = [
    HUEY,
    Contender("Dramatiq, gevent", "ops.bench.peers.dramatiq_gevent", environment.PYTHON, _bodies),
    Contender("Celery, acks late", "ops.bench.peers.celery", environment.PYTHON),
    Contender("taskiq, stream", "ops.bench.peers.taskiq", environment.PYTHON),
    Contender("streaQ", "ops.bench.peers.streaq", environment.PYTHON),
]


class Worker:
    """A contender's worker process, until the end of the `with`. It is killed: nothing of it is needed any more."""

    def __init__(
        self,
        contender: Contender,
        ground: Ground,
        *,
        expected: int,
        name: str = "0",
        prefetch: int = 0,
        role: str = "work",
    ) -> None:
        self.ground = ground
        self.name = name
        self._command = contender.command(role, ground.url, name, expected)
        # 0 is Dramatiq's way to say twice the number of threads.
        self._environment = {**os.environ, "dramatiq_queue_prefetch": str(prefetch)}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with this worker
        self._child: subprocess.Popen[bytes] | None = None

    def report(self) -> Report:
        """Return what it has done up to now."""
        self.check()
        return tally.ask(self.ground.desk, self.name)

    def check(self) -> None:
        """It is alive. Raises ProgramFailed."""
        if self._child is not None and self._child.poll() is not None:
            self._log.seek(0)
            raise ProgramFailed(" / ".join(self._log.read().decode(errors="replace").splitlines()[-5:]))

    def kill(self) -> None:
        """It has been cut off by SIGKILL, with all its children."""
        if self._child is not None and self._child.returncode is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [*leash.command(signal.SIGKILL), *self._command],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()
        self._log.close()

    def wait_until(
        self,
        condition: Callable[[], object],
        what: str,
        *,
        patience_s: float = PATIENCE_S,
        look_s: float = LOOK_S,
    ) -> None:
        """Return once the condition holds. Raises ProgramFailed when the worker ends, and TimeoutError."""

        def look() -> object:
            self.check()
            return condition()

        wait_for(look, what, patience_s=patience_s, look_s=look_s)


def play(contender: Contender, role: str, ground: Ground, *arguments: object) -> float:
    """A sending role has come to its end; return the messages a second that it printed, 0 if it printed none.

    Raises ProgramFailed.
    """
    command = [*leash.command(signal.SIGKILL), *contender.command(role, ground.url, *arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise ProgramFailed(" / ".join(done.stderr.splitlines()[-5:]))
    return float(json.loads(done.stdout)["per_s"]) if done.stdout else 0.0
