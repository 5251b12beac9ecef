"""Break the broker's world for some minutes: `.venv/bin/python -m ops.chaos.broker --minutes 10`.

A Redis with an append-only file and some workers of its own; messages are sent at a steady rate while, one by one,
workers are killed, frozen past their lease and told to stop, and Redis is killed, frozen and cut off. In the end every
message that was sent must have been done. What may surprise: some are done more than once, as at-least-once allows.
The short forms of these troubles are tests, in tests/broker.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dramatiq.errors import BrokerConnectionError, QueueJoinTimeout
from dramatiq.message import Message

from broker import RedisStreamsBroker, connect
from ops import leash
from ops.chaos.troubled import RUNS
from ops.embedded import RedisServer

#: How many worker processes there are.
WORKERS = 3

#: Between two messages, and between two troubles, in seconds.
PACE_S, PAUSE_S = 0.01, 2.0

#: How long all may take to be done once there is no more trouble.
PATIENCE_MS = 120_000


class World:
    """A Redis, workers and a sender, and the ways to make trouble for them."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.broker = RedisStreamsBroker(url=f"{redis.url}?socket_timeout=1", lease_ms=2_000)
        self.broker.declare_queue("default")
        self.workers = [self._work() for _ in range(WORKERS)]
        self.sent: set[int] = set()
        #: Sent without an answer: it may have arrived.
        self.unsure: set[int] = set()

    def send_until(self, end: float) -> None:
        """Messages are sent at a steady rate until then (monotonic, s)."""
        while time.monotonic() < end:
            number = len(self.sent) + len(self.unsure)
            try:
                self.broker.enqueue(_message(number), delay=random.choice((None, None, None, 500)))
                self.sent.add(number)
            except BrokerConnectionError:
                self.unsure.add(number)
            time.sleep(PACE_S)

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
        self.send_until(time.monotonic() + 5)
        frozen.send_signal(signal.SIGCONT)

    def stop_a_worker(self) -> None:
        """One is told to stop, as in a deploy; another takes its place."""
        place = random.randrange(WORKERS)
        self.workers[place].terminate()
        self.workers[place].wait(60)
        self.workers[place] = self._work()

    def kill_redis(self) -> None:
        """Redis is gone, and comes back a second later with what is on its disk."""
        self.redis.kill()
        self.send_until(time.monotonic() + 1)
        self.redis.start()

    def freeze_redis(self) -> None:
        """Redis stands still for longer than anybody waits for a reply."""
        pid = self.redis.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        self.send_until(time.monotonic() + 3)
        os.kill(pid, signal.SIGCONT)

    def cut_all_connections(self) -> None:
        """Whatever was on its way is lost."""
        with connect(self.redis.url) as client:
            client.client_kill_filter(_type="normal", skipme=True)

    @property
    def troubles(self) -> list[Callable[[], None]]:
        """All of them."""
        workers = [self.kill_a_worker, self.freeze_a_worker, self.stop_a_worker]
        return [*workers, self.kill_redis, self.freeze_redis, self.cut_all_connections]

    # The end.

    def settle(self) -> bool:
        """All is done. Return False if it was not in time."""
        try:
            self.broker.join("default", timeout=PATIENCE_MS)
        except QueueJoinTimeout:
            return False
        return True

    def runs(self) -> dict[int, int]:
        """Return how often each message ran to its end."""
        with connect(self.redis.url) as client:
            found: Any = client.hgetall(RUNS)
        return {int(number): int(times) for number, times in found.items()}

    def end(self) -> None:
        """No process is left."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.broker.close()

    def _work(self) -> subprocess.Popen[bytes]:
        command = [*leash.command(signal.SIGKILL), sys.executable, "-m", "ops.chaos.troubled"]
        environment = {**os.environ, "REDIS_URL": f"{self.redis.url}?socket_timeout=1"}
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def _message(number: int) -> Message[Any]:
    return Message(queue_name="default", actor_name="note", args=(number,), kwargs={}, options={})


def trouble(world: World, seconds: float) -> dict[str, int]:
    """All troubles came, in random order and again and again, for so long; return how often each did."""
    counts = {one.__name__: 0 for one in world.troubles}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for one in random.sample(world.troubles, len(world.troubles)):
            world.send_until(time.monotonic() + PAUSE_S)
            one()
            counts[one.__name__] += 1
    return counts


def report(world: World, counts: dict[str, int], settled: bool) -> int:
    """Print what happened. Return how many messages were lost."""
    runs = world.runs()
    lost = sorted(world.sent - set(runs))
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
    parser.add_argument("--redis", type=Path, help="the redis-server to run (default: the embedded one)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        durable = ["--appendfsync", "always"]
        with RedisServer(Path(folder) / "redis", binary=options.redis, args=durable) as redis:
            world = World(redis)
            try:
                counts = trouble(world, options.minutes * 60)
                settled = world.settle()
                return 0 if report(world, counts, settled) == 0 and settled else 1
            finally:
                world.end()


if __name__ == "__main__":
    sys.exit(main())
