"""A worker process for tests to kill: `python -m tests.broker.program`, or the module for Dramatiq's own commands.

What its actors do is written to Redis lists, where it outlives the process.
"""

import os
import signal
import threading
import time
from typing import Any

import dramatiq
from dramatiq.middleware import GroupCallbacks, Middleware, Shutdown, TimeLimit, TimeLimitExceeded
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from broker import CancelRunning, RedisStreamsBroker, SignalGrace, connect

# Untyped in Dramatiq.
results: Any = Results
limiter: Any = LimiterBackend

url = os.environ["BROKER_URL"]
broker = RedisStreamsBroker(
    url=url,
    lease_ms=int(os.environ.get("BROKER_LEASE_MS", "600")),
    max_starts=int(os.environ.get("BROKER_MAX_STARTS", "5")),
)
diary = connect(url)


class Stopping(Middleware):
    """Writes to the diary that no thread starts anything any more."""

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        threading.Thread(target=self._watch, args=(worker,), daemon=True).start()

    def _watch(self, worker: dramatiq.Worker) -> None:
        while any(thread.running for thread in worker.workers):
            time.sleep(0.005)
        diary.rpush("stopping", os.getpid())


# Threads are looked after by the second, else; greenlets have timers of their own.
broker.middleware = [TimeLimit(interval=50) if isinstance(one, TimeLimit) else one for one in broker.middleware]
# Tests tell the whole group to stop, and so does Dramatiq's command: twice.
broker.add_middleware(SignalGrace())
broker.add_middleware(CancelRunning())
broker.add_middleware(Stopping())
broker.add_middleware(results(backend=RedisBackend(client=diary)))
broker.add_middleware(GroupCallbacks(limiter(client=diary)))
dramatiq.set_broker(broker)


@dramatiq.actor
def hold(name: str, seconds: float) -> None:
    """Sleep."""
    diary.rpush("started", name)
    time.sleep(seconds)
    diary.rpush("ended", name)


@dramatiq.actor
def spin(name: str) -> None:
    """Keep the interpreter busy until the key `go` is there."""
    diary.rpush("started", name)
    while not diary.exists("go"):
        for _ in range(100):
            sum(range(10_000))
    diary.rpush("ended", name)


@dramatiq.actor
def gather(name: str) -> None:
    """Wait until the key `go` is there."""
    diary.rpush("started", name)
    while not diary.exists("go"):
        time.sleep(0.01)
    diary.rpush("ended", name)


@dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=2)
def hold_and_fail(name: str, seconds: float) -> None:
    """Sleep and fail, but in the second run succeed."""
    runs = diary.rpush("started", name)
    time.sleep(seconds if runs == 1 else 0)
    diary.rpush("ended", name)
    if runs == 1:
        raise RuntimeError(name)


@dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=5)
def stumble(name: str, times: int) -> None:
    """Fail so many times, then succeed."""
    if diary.rpush(f"runs of {name}", "") <= times:
        raise RuntimeError(name)
    diary.rpush("ended", name)


@dramatiq.actor(max_retries=0, time_limit=300)
def overrun(name: str) -> None:
    """Sleep in small steps until told that it is too long."""
    diary.rpush("started", name)
    try:
        while True:
            time.sleep(0.01)
    except TimeLimitExceeded:
        diary.rpush("interrupted", name)
        raise


@dramatiq.actor(notify_shutdown=True, min_backoff=1, max_backoff=5)
def stay(name: str) -> None:
    """In the first run, sleep in small steps until told that the worker stops."""
    if diary.rpush("started", name) > 1:
        diary.rpush("ended", name)
        return
    try:
        while True:
            time.sleep(0.01)
    except Shutdown:
        diary.rpush("told", name)
        raise


@dramatiq.actor
def kill(name: str) -> None:
    """Kill the worker."""
    diary.rpush("started", name)
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor(store_results=True)
def add(x: int, y: int) -> int:
    """Return the sum."""
    return x + y


@dramatiq.actor(store_results=True, max_retries=1, min_backoff=1, max_backoff=5)
def refuse() -> None:
    """Fail."""
    raise ValueError("never")


@dramatiq.actor
def finish(word: str) -> None:
    """Tell that a group is done."""
    diary.rpush("finished", word)


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
