"""A worker process for tests to kill: `python -m tests.broker.program`, or the module for Dramatiq's own command.

What its actors do is written to Redis lists, where it outlives the process.
"""

import os
import signal
import threading
import time

import dramatiq

from broker import CancelRunning, RedisStreamsBroker, SignalGrace, connect

url = os.environ["BROKER_URL"]
broker = RedisStreamsBroker(
    url=url,
    lease_ms=int(os.environ.get("BROKER_LEASE_MS", "600")),
    max_starts=int(os.environ.get("BROKER_MAX_STARTS", "5")),
)
broker.add_middleware(SignalGrace())
broker.add_middleware(CancelRunning())
dramatiq.set_broker(broker)
diary = connect(url)


@dramatiq.actor
def hold(name: str, seconds: float) -> None:
    """Sleep."""
    diary.rpush("started", name)
    time.sleep(seconds)
    diary.rpush("ended", name)


@dramatiq.actor
def spin(name: str, seconds: float) -> None:
    """Keep the interpreter busy."""
    diary.rpush("started", name)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(10_000))
    diary.rpush("ended", name)


@dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=2)
def hold_and_fail(name: str, seconds: float) -> None:
    """Sleep and fail, but in the second run succeed."""
    runs = diary.rpush("started", name)
    time.sleep(seconds if runs == 1 else 0)
    diary.rpush("ended", name)
    if runs == 1:
        raise RuntimeError(name)


@dramatiq.actor(max_retries=3, min_backoff=50, max_backoff=100)
def fail_once(name: str) -> None:
    """Fail in the first run."""
    if diary.rpush("started", name) == 1:
        raise RuntimeError(name)
    diary.rpush("ended", name)


@dramatiq.actor
def kill(name: str) -> None:
    """Kill the worker."""
    diary.rpush("started", name)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    worker = dramatiq.Worker(broker, worker_threads=int(os.environ.get("BROKER_THREADS", "2")), worker_timeout=50)
    worker.start()
    # Without a timeout, a signal that the kernel gave to another thread would not be noticed.
    while not told_to_stop.wait(0.05):
        pass
    worker.stop()
    broker.close()
