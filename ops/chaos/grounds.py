"""What the broker's world stands on, and how it gives way: one Redis with a file, or a formation with replicas."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from broker import connect
from ops.chaos.formations import PATIENCE_S, Formation, cluster, sentinel
from ops.embedded import RedisServer

#: Sends for as long as the condition holds.
SendWhile = Callable[[Callable[[], bool]], None]

#: How long a Redis that nobody follows stands still, and is away, in seconds: the first is longer than anybody waits.
_FROZEN_S, _AWAY_S = 3.0, 1.0


class Ground(Protocol):
    """A Redis that can be hurt. What was sent before it was hurt, and was answered, is kept."""

    @property
    def url(self) -> str:
        """Where clients connect."""

    def kill(self, send_while: SendWhile) -> None:
        """A server that held messages was killed; messages were sent meanwhile, and all is well again."""

    def freeze(self, send_while: SendWhile) -> None:
        """A server that held messages stood still; messages were sent meanwhile, and all is well again."""

    def cut(self) -> None:
        """Whatever was on its way is lost: all connections are broken."""


class Single:
    """One Redis, whose append-only file is synced before it answers."""

    ARGS = ("--appendfsync", "always")

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis

    @property
    def url(self) -> str:
        return f"{self.redis.url}?socket_timeout=1"

    def kill(self, send_while: SendWhile) -> None:
        self.redis.kill()
        send_while(_for(_AWAY_S))
        self.redis.start()

    def freeze(self, send_while: SendWhile) -> None:
        self.redis.tell(signal.SIGSTOP)
        send_while(_for(_FROZEN_S))
        self.redis.tell(signal.SIGCONT)

    def cut(self) -> None:
        with connect(self.redis.url) as client:
            client.client_kill_filter(_type="normal", skipme=True)


class Replicated:
    """Masters with a replica each, one of which follows when its master is lost.

    Replicas are a moment behind. So that nothing may be lost, a master is hurt when its replica has all that was sent.
    """

    def __init__(self, formation: Formation) -> None:
        self.formation = formation

    @property
    def url(self) -> str:
        return self.formation.url

    def kill(self, send_while: SendWhile) -> None:
        lost = random.choice(self.formation.masters)
        lost.replicate()
        lost.kill()
        send_while(_until(lambda: self.formation.is_led_without(lost), "following a killed master"))
        self.formation.heal()

    def freeze(self, send_while: SendWhile) -> None:
        lost = random.choice(self.formation.masters)
        lost.replicate()
        lost.tell(signal.SIGSTOP)
        send_while(_until(lambda: self.formation.is_led_without(lost), "following a frozen master"))
        # Nothing is sent while it wakes: for a moment it takes itself for the master, and what it is told then is lost.
        self.formation.heal()

    def cut(self) -> None:
        for server in self.formation.servers:
            with server.client() as client:
                client.client_kill_filter(_type="normal", skipme=True)


@contextmanager
def single(folder: Path, *, binary: Path | None = None) -> Iterator[Ground]:
    """One Redis."""
    with RedisServer(folder, binary=binary, args=Single.ARGS) as redis:
        yield Single(redis)


@contextmanager
def sentinels(folder: Path, *, binary: Path | None = None) -> Iterator[Ground]:
    """A master and a replica under Sentinel."""
    with sentinel(folder, binary=binary) as formation:
        yield Replicated(formation)


@contextmanager
def clusters(folder: Path, *, binary: Path | None = None) -> Iterator[Ground]:
    """A cluster of three masters and three replicas."""
    with cluster(folder, binary=binary) as formation:
        yield Replicated(formation)


KINDS = {"single": single, "sentinel": sentinels, "cluster": clusters}


def _for(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def _until(condition: Callable[[], bool], what: str) -> Callable[[], bool]:
    """Return whether to go on waiting. It raises TimeoutError when that takes too long."""
    deadline = time.monotonic() + PATIENCE_S

    def waits() -> bool:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what} took more than {PATIENCE_S:g} s")
        return not condition()

    return waits
