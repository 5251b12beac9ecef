"""The worker process that `ops.chaos.broker` kills, freezes and starves: each run of its actor is counted in a diary.

The diary is a Redis of its own that nobody hurts. In the queues' own, a run could be forgotten by a failover that came
between the run and its acknowledgement.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from types import FrameType

import dramatiq

from broker import RedisStreamsBroker, connect

#: In a cluster of three, each of them lies on another master.
QUEUES = ("one", "two", "three")

#: Redis hash: how often each message ended, by its number.
RUNS = "chaos:runs"

#: How long a worker may be silent before others take over what it holds.
LEASE_MS = 2_000


def serve(url: str, diary_url: str) -> None:
    """Work until told to stop. One task in twenty fails the first time."""
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    # What kills its worker here is chaos and not a message, so it does not count as poison.
    broker = RedisStreamsBroker(url=url, lease_ms=LEASE_MS, max_starts=1_000_000)
    diary = connect(diary_url)

    def note(number: int) -> None:
        time.sleep(random.uniform(0, 0.05))
        if diary.hincrby(RUNS, str(number), 1) == 1 and number % 20 == 0:
            raise RuntimeError("the first run fails")

    dramatiq.actor(broker=broker, actor_name="note", min_backoff=10, max_backoff=1_000, max_retries=1_000)(note)
    for queue in QUEUES:
        broker.declare_queue(queue)
    worker = dramatiq.Worker(broker, worker_threads=4, worker_timeout=100)
    worker.start()
    while not stop.wait(0.1):
        pass
    worker.stop()
    broker.close()


if __name__ == "__main__":
    serve(os.environ["REDIS_URL"], os.environ["DIARY_URL"])
