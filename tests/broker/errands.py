"""What Dramatiq's own commands are given to do, in threads or greenlets: `dramatiq tests.broker.errands`.

What its actors do is written to Redis lists, where it outlives the process.
"""

import os
import time
from typing import Any

import dramatiq
from dramatiq.middleware import GroupCallbacks, Shutdown, TimeLimit, TimeLimitExceeded
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from broker import RedisStreamsBroker, SignalGrace, connect

# Untyped in Dramatiq.
results: Any = Results
limiter: Any = LimiterBackend

url = os.environ["BROKER_URL"]
broker = RedisStreamsBroker(url=url, lease_ms=int(os.environ.get("BROKER_LEASE_MS", "15000")))
# Threads are looked after by the second, else; greenlets have timers of their own.
broker.middleware = [TimeLimit(interval=50) if isinstance(one, TimeLimit) else one for one in broker.middleware]
# Tests tell the whole group to stop, and so does Dramatiq's command: twice.
broker.add_middleware(SignalGrace())
broker.add_middleware(results(backend=RedisBackend(url=url)))
broker.add_middleware(GroupCallbacks(limiter(url=url)))
dramatiq.set_broker(broker)
diary = connect(url)


@dramatiq.actor
def hold(name: str, seconds: float) -> None:
    """Sleep."""
    diary.rpush("started", name)
    time.sleep(seconds)
    diary.rpush("ended", name)


@dramatiq.actor
def gather(name: str) -> None:
    """Wait until the key `go` is there."""
    diary.rpush("started", name)
    while not diary.exists("go"):
        time.sleep(0.01)
    diary.rpush("ended", name)


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
