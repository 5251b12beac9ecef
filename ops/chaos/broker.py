"""Break the broker's world for some minutes: `.venv/bin/python -m ops.chaos.broker --minutes 10 --on cluster`.

A Redis (one, or a formation under Sentinel or as a cluster) and some workers of its own; messages are sent at a steady
rate while, one by one, workers are killed, frozen past their lease and told to stop, and a Redis is killed, frozen and
cut off. In the end every message that was sent must have been done. What may surprise: some are done more than once, as
at-least-once allows. The short forms of these troubles are tests, in tests/broker.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dramatiq.errors import BrokerConnectionError, QueueJoinTimeout
from dramatiq.message import Message

from broker import RedisStreamsBroker, connect
from ops import leash
from ops.chaos.grounds import KINDS, Ground
from ops.chaos.troubled import LEASE_MS, QUEUES, RUNS
from ops.embedded import RedisServer

#: How many worker processes there are.
WORKERS = 3

#: Between two messages, and between two troubles, in seconds.
PACE_S, PAUSE_S = 0.01, 2.0

#: How often to look whether a trouble is over, in seconds.
LOOK_S = 0.2

#: How long all may take to be done once there is no more trouble, in seconds.
PATIENCE_S = 120.0


class World:
    """A Redis, workers and a sender, and the ways to make trouble for them."""

    def __init__(self, ground: Ground, diary: RedisServer) -> None:
        self.ground, self.diary = ground, diary
        self.broker = RedisStreamsBroker(url=ground.url, lease_ms=LEASE_MS)
        for queue in QUEUES:
            self.broker.declare_queue(queue)
        self.workers = [self._work() for _ in range(WORKERS)]
        self.sent: set[int] = set()
        #: Sent without an answer: it may have arrived.
        self.unsure: set[int] = set()

    def send_for(self, seconds: float) -> None:
        """Messages were sent at a steady rate for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._send()
            time.sleep(PACE_S)

    def send_while(self, condition: Callable[[], bool]) -> None:
        """Messages were sent at a steady rate until the condition held no more."""
        while condition():
            self.send_for(LOOK_S)

    def _send(self) -> None:
        number = len(self.sent) + len(self.unsure)
        try:
            self.broker.enqueue(_message(number), delay=random.choice((None, None, None, 500)))
            self.sent.add(number)
        except BrokerConnectionError:
            self.unsure.add(number)

    # Troubles.

    def kill_a_worker(self) -> None:
        """One is gone, with all that it was doing; another takes its place."""
        place = random.randrange(WORKERS)
        self.workers[place].kill()
        self.workers[place].wait()
        self.workers[place] = self._work()

    def freeze_a_worker(self) -> None:
        """One stands still for longer than its lease."""
        frozen = random.choice(self.workers)
        frozen.send_signal(signal.SIGSTOP)
        self.send_for(2.5 * LEASE_MS / 1000)
        frozen.send_signal(signal.SIGCONT)

    def stop_a_worker(self) -> None:
        """One is told to stop, as in a deploy; another takes its place."""
        place = random.randrange(WORKERS)
        self.workers[place].terminate()
        self.workers[place].wait(60)
        self.workers[place] = self._work()

    def kill_redis(self) -> None:
        """A Redis that held messages is gone, and comes back, or another follows it."""
        self.ground.kill(self.send_while)

    def freeze_redis(self) -> None:
        """A Redis that held messages stands still for longer than anybody waits for a reply."""
        self.ground.freeze(self.send_while)

    def cut_all_connections(self) -> None:
        """Whatever was on its way is lost."""
        self.ground.cut()

    @property
    def troubles(self) -> list[Callable[[], None]]:
        """All of them."""
        workers = [self.kill_a_worker, self.freeze_a_worker, self.stop_a_worker]
        return [*workers, self.kill_redis, self.freeze_redis, self.cut_all_connections]

    # The end.

    def settle(self) -> bool:
        """All is done. Return False if it was not in time."""
        deadline = time.monotonic() + PATIENCE_S
        left = list(QUEUES)
        while left:
            try:
                self.broker.join(left[0], timeout=max(0, int((deadline - time.monotonic()) * 1000)))
            except QueueJoinTimeout:
                return False
            except BrokerConnectionError:
                if time.monotonic() >= deadline:
                    return False
                # A slow machine may be taken for a dead server once more.
                time.sleep(LOOK_S)
            else:
                left.pop(0)
        return True

    def runs(self) -> dict[int, int]:
        """Return how often each message ran to its end."""
        with connect(self.diary.url) as client:
            found: Any = client.hgetall(RUNS)
        return {int(number): int(times) for number, times in found.items()}

    def close(self) -> None:
        """No process is left."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.broker.close()

    def _work(self) -> subprocess.Popen[bytes]:
        command = [*leash.command(signal.SIGKILL), sys.executable, "-m", "ops.chaos.troubled"]
        environment = {**os.environ, "REDIS_URL": self.ground.url, "DIARY_URL": self.diary.url}
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


@contextmanager
def world(kind: str, *, binary: Path | None = None) -> Iterator[World]:
    """A world that stands on one of `KINDS`, with the diary beside it. Nothing is left of it afterwards."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        diary = stack.enter_context(RedisServer(Path(folder) / "diary"))
        standing = stack.enter_context(KINDS[kind](Path(folder) / kind, binary=binary))
        yield stack.enter_context(closing(World(standing, diary)))


def _message(number: int) -> Message[Any]:
    queue = QUEUES[number % len(QUEUES)]
    return Message(queue_name=queue, actor_name="note", args=(number,), kwargs={}, options={})


def trouble(world: World, seconds: float) -> dict[str, int]:
    """All troubles came, in random order and again and again, for so long; return how often each did."""
    counts = {one.__name__: 0 for one in world.troubles}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in random.sample(world.troubles, len(world.troubles)):
            world.send_for(PAUSE_S)
            one()
            counts[one.__name__] += 1
    return counts


def report(world: World, counts: dict[str, int], settled: bool) -> int:
    """Print what happened. Return how many messages were lost."""
    runs = world.runs()
    lost = world.sent - set(runs)
    # One in twenty fails once on purpose.
    again = sum(times - (2 if number % 20 == 0 else 1) for number, times in runs.items())
    print("troubles:", ", ".join(f"{name} {times}" for name, times in counts.items()))
    print(f"sent: {len(world.sent)}, sent without an answer: {len(world.unsure)}")
    print(f"done: {len(runs)}, done again: {again}, lost: {len(lost)}, queue empty at the end: {settled}")
    return len(lost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="ops.chaos.broker", description="Break the broker's world and count losses.")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to make trouble (default 1)")
    parser.add_argument("--on", choices=KINDS, default="single", help="what to stand on (default single)")
    parser.add_argument("--redis", type=Path, help="the redis-server to run (default: the embedded one)")
    options = parser.parse_args(arguments)
    with world(options.on, binary=options.redis) as broken:
        counts = trouble(broken, options.minutes * 60)
        settled = broken.settle()
        return 0 if report(broken, counts, settled) == 0 and settled else 1


if __name__ == "__main__":
    sys.exit(main())
