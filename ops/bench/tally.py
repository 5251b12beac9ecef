"""What a worker under measurement writes down while it runs: how many messages, when, and at what price.

Every contender's task calls `note`, whatever library runs it, so all are counted by the same few instructions.
A thread answers the bench through Redis, in a database of its own, and sleeps until it is asked.

What may surprise: times are CLOCK_MONOTONIC, which all processes of one Linux machine share.
"""

from __future__ import annotations

import json
import resource
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import redis

#: The Redis database for the bench's own keys; the contenders have 0.
DATABASE = 1

#: String: set by a worker that has run all the messages that it was told to expect.
DONE = "done"

#: Lists: a word from each worker that is ready to begin, and one for each that may.
READY = "ready"
START = "start"


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker did up to now, in seconds."""

    #: By the shared clock, for each message in the order in which they ran: before it was sent, and the task's start.
    sent: list[float]
    started: list[float]
    #: Used by the process since it was started, and since the first message.
    cpu_s: float
    cpu_since_first_s: float

    @property
    def ran(self) -> int:
        """How many messages have started."""
        return len(self.started)

    @property
    def delays_s(self) -> list[float]:
        """From the send of each message to the start of its task."""
        return [start - sent for sent, start in zip(self.sent, self.started, strict=True)]


def connect(url: str) -> redis.Redis:
    """Return a client for the bench's own keys, which waits for ever."""
    return redis.Redis.from_url(url, db=DATABASE, decode_responses=True, socket_timeout=None)


def ask(client: redis.Redis, name: str) -> Report:
    """Return what the worker of this name has done. Raises TimeoutError when it does not answer for 10 s."""
    client.rpush(f"ask:{name}", "?")
    answer: Any = client.blpop([f"report:{name}"], timeout=10)
    if answer is None:
        raise TimeoutError(f"worker {name} gave no report")
    return Report(**json.loads(answer[1]))


def start_together(client: redis.Redis, number: int) -> None:
    """So many workers, all that are ready, have been told to begin. Raises TimeoutError when one is not within 60 s."""
    for _one in range(number):
        if client.blpop([READY], timeout=60) is None:
            raise TimeoutError("a worker was not ready to begin")
    client.rpush(START, *["!"] * number)


class Tally:
    """The notes of one worker process, called `name` by the bench, which expects to run `expected` messages."""

    def __init__(self, url: str, name: str, expected: int) -> None:
        self.name = name
        self.expected = expected
        self._client = connect(url)
        self._starts: list[tuple[float, float]] = []
        self._cpu_at_first = 0.0

    def note(self, sent: float) -> None:
        """A task has started, whose message was about to be sent at `sent`."""
        now = time.monotonic()
        if not self._starts:
            self._cpu_at_first = _cpu_s()
        self._starts.append((sent, now))
        if len(self._starts) == self.expected:
            self._client.set(DONE, self.name)

    def start(self) -> None:
        """Questions of the bench are answered from now on, by a thread."""
        threading.Thread(target=self._answer, name="tally", daemon=True).start()

    def wait_for_start(self) -> None:
        """The bench has let all workers begin (see `start_together`)."""
        self._client.rpush(READY, self.name)
        self._client.blpop([START])

    def _answer(self) -> None:
        while True:
            self._client.blpop([f"ask:{self.name}"])
            self._client.rpush(f"report:{self.name}", json.dumps(asdict(self._report())))

    def _report(self) -> Report:
        cpu_s = _cpu_s()
        starts = self._starts[:]
        return Report(
            sent=[sent for sent, _ in starts],
            started=[start for _, start in starts],
            cpu_s=cpu_s,
            cpu_since_first_s=cpu_s - self._cpu_at_first if starts else 0.0,
        )


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
