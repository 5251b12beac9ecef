"""Sends messages that are due later, at random, so that a worker has many of them at the same time.

PROGRAM ours        URL NUMBER SECONDS   with our broker
PROGRAM RedisBroker URL NUMBER SECONDS   with Dramatiq's RedisBroker

Each message is due after at least 0.2 s and at most SECONDS more, and carries that moment in place of its sending.
Delays are whole milliseconds, as Dramatiq has them, so that nobody has to round.
"""

from __future__ import annotations

import random
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from broker import RedisStreamsBroker
from ops.bench.peers.dramatiqs import take
from ops.bench.stage import PAYLOAD

#: Less would be over before the sender has told Redis.
SOONEST_S = 0.2


def main(name: str, url: str, number: str, seconds: str) -> None:
    """The messages have been sent."""
    actor = take(named(name, url), lambda sent: None)
    chance = random.Random(4711)
    for _one in range(int(number)):
        delay = round((SOONEST_S + chance.random() * float(seconds)) * 1000)
        due = time.monotonic() + delay / 1000
        actor.send_with_options(args=(due, dict(PAYLOAD)), delay=delay)


def named(name: str, url: str) -> dramatiq.Broker:
    """Return the broker of this name."""
    if name == "RedisBroker":
        return RedisBroker(url=url)  # type: ignore[no-untyped-call]  # theirs
    return RedisStreamsBroker(url=url)


if __name__ == "__main__":
    main(*sys.argv[1:])
