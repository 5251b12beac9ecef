"""What this process holds of one queue: messages fetched, running, and finished but not yet settled at Redis.

It outlives consumers, because Dramatiq replaces a failed consumer and then settles the old one's messages
with the new one. Worker threads, the consumer thread and the lease keeper all meet here, under one lock.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from broker.keys import Keys
from broker.message import Settlement, StreamMessage

#: How many entries are settled in one script.
BATCH = 128

#: What a full reader waits a moment for: this part of its prefetch. Dramatiq's default prefetch is two
#: messages a thread, so no thread runs dry meanwhile.
_SHARE = 2

#: That moment, in seconds: it delays acknowledgements, and no message.
_MOMENT_S = 0.005


class Holding:
    """The messages of one queue in this process, and when they may be settled.

    A worker thread that finishes a message leaves its settlement here if the reader (the thread in the
    consumer's `__next__`) will soon pass by: one script then settles many and fetches as many in return.
    """

    def __init__(self, keys: Keys, queue: str, client: Any) -> None:
        self.keys = keys
        self.queue = queue
        #: The reader's own connection.
        self.client = client
        #: When (monotonic, s) the reader last heard from Redis.
        self.heard_at = time.monotonic()
        #: When (monotonic, s) Redis was last told that the consumer lives.
        self.alive_at = float("-inf")
        #: Redis's clock less ours, in ms.
        self.clock_ms: float | None = None
        #: Whether a consumer is open.
        self.open = False
        #: Whether a reply was lost that may have carried entries.
        self.suspect = False
        #: Of the one thread that settles in the place of the reader: a script for many costs little more than for one.
        self.seat = threading.Lock()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._held: dict[bytes, StreamMessage] = {}
        self._buffer: deque[StreamMessage] = deque()
        #: Messages that were running when their worker died, and the one of them that was given to a worker.
        self._accused: deque[StreamMessage] = deque()
        self._on_trial: StreamMessage | None = None
        self._outbox: deque[Settlement] = deque()
        self._refused: deque[Settlement] = deque()
        #: Taken to be settled, and the outcome not known yet.
        self._settling: list[list[Settlement]] = []
        self._reader: int | None = None
        self._listening = False
        #: The reader waits until fewer than this are held.
        self._awaited = 0

    # The reader's side.

    def admit(self, messages: Iterable[StreamMessage]) -> None:
        """The messages are held, and next in line to be given to a worker."""
        with self._lock:
            for message in messages:
                self._held[message.entry_id] = message
                (self._accused if message.starts else self._buffer).append(message)

    def pop(self) -> StreamMessage | None:
        """Return the next message for a worker, or None.

        Of those that were running when a worker died, one at a time: what ran beside the killer is not counted again.
        """
        with self._lock:
            if self._accused and self._on_trial is None:
                self._on_trial = self._next(self._accused)
                if self._on_trial is not None:
                    return self._on_trial
            return self._next(self._buffer)

    def _next(self, line: deque[StreamMessage]) -> StreamMessage | None:
        while line:
            message = line.popleft()
            # Else its lease was lost while it waited here.
            if self._held.get(message.entry_id) is message:
                return message
        return None

    def attend(self) -> None:
        """This thread is the reader from now on: others may leave their settlements to it."""
        self._reader = threading.get_ident()

    def room(self, prefetch: int, timeout_s: float) -> int:
        """Return how many more messages may be held, after waiting for room for at most `timeout_s`.

        It waits a moment for more than a little: a turn for many costs little more than for one.
        """
        with self._changed:
            if len(self._held) >= prefetch:
                some = prefetch - prefetch // _SHARE + 1
                self._wait_below(some, _MOMENT_S)
                # Nothing ended in that moment: tasks are slow, or there are few.
                if len(self._held) >= prefetch and self._wait_below(prefetch, timeout_s):
                    self._wait_below(some, _MOMENT_S)
            return max(0, prefetch - len(self._held))

    def wait_below(self, number: int, timeout_s: float) -> None:
        """Return when fewer than so many are held, after `timeout_s` at most."""
        with self._changed:
            self._wait_below(number, timeout_s)

    def _wait_below(self, number: int, timeout_s: float) -> bool:
        self._awaited = number
        came = self._changed.wait_for(lambda: len(self._held) < number, timeout_s)
        self._awaited = 0
        return came

    def listen(self) -> bool:
        """Return whether the reader may block: nothing is to be settled, and now others settle by themselves."""
        with self._lock:
            self._listening = not self._ripe()
            return self._listening

    def listened(self) -> None:
        """The reader no longer blocks."""
        self._listening = False

    def leave(self) -> list[StreamMessage]:
        """Return the messages that no worker was given. There is no reader any more."""
        with self._lock:
            self._reader = None
            left = [*self._accused, *self._buffer]
            self._accused.clear()
            self._buffer.clear()
            return left

    # The workers' side.

    def finish(self, message: StreamMessage, settlement: Settlement) -> bool:
        """The message is no longer held, and its settlement is due. Return False if it was not held any more."""
        with self._lock:
            held = self._release(message)
            if held:
                self._outbox.append(settlement)
            return held

    def add(self, settlement: Settlement) -> None:
        """A settlement of something that was never held is due."""
        with self._lock:
            self._outbox.append(settlement)

    @property
    def attended(self) -> bool:
        """Whether the reader will soon pass by and settle what this thread leaves."""
        return self._reader is not None and not self._listening and self._reader != threading.get_ident()

    def forget(self, message: StreamMessage) -> bool:
        """The message is no longer held. Return False if it was not."""
        with self._lock:
            return self._release(message)

    def _release(self, message: StreamMessage) -> bool:
        if self._on_trial is message:
            self._on_trial = None
        # Under the same id, a message that was lost and came back is another one.
        if self._held.get(message.entry_id) is not message:
            return False
        del self._held[message.entry_id]
        if len(self._held) < self._awaited:
            self._changed.notify()
        return True

    # Settling.

    def _ripe(self) -> bool:
        while self._refused and self._refused[0].not_before <= time.monotonic():
            self._outbox.append(self._refused.popleft())
        return bool(self._outbox)

    @property
    def ripe(self) -> bool:
        """Whether there is something to settle now."""
        with self._lock:
            return self._ripe()

    def take(self) -> list[Settlement]:
        """Return settlements that are due, at most a batch. They are the caller's to settle or put back."""
        with self._lock:
            self._ripe()
            batch = [self._outbox.popleft() for _ in range(min(BATCH, len(self._outbox)))]
            self._settling.append(batch)
            return batch

    def done(self, batch: list[Settlement]) -> None:
        """Redis has answered: the batch, one that was taken, needs no more care."""
        with self._lock:
            self._drop(batch)

    def put_back(self, batch: list[Settlement]) -> None:
        """The settlements of a batch that was taken are due again, before others."""
        with self._lock:
            self._drop(batch)
            self._outbox.extendleft(reversed(batch))

    def _drop(self, batch: list[Settlement]) -> None:
        self._settling = [one for one in self._settling if one is not batch]

    def postpone(self, settlement: Settlement, wait_s: float) -> None:
        """The settlement is due again after `wait_s`; others are not kept waiting by it."""
        with self._lock:
            settlement.not_before = time.monotonic() + wait_s
            self._refused.append(settlement)

    # What the lease keeper asks.

    def holds(self, entry_id: bytes) -> bool:
        """Whether the entry is held, or finished and not yet settled."""
        with self._lock:
            due = itertools.chain(self._outbox, self._refused, *self._settling)
            return entry_id in self._held or any(one.entry_id == entry_id for one in due)

    def held(self) -> list[StreamMessage]:
        """Return the messages that are held now."""
        with self._lock:
            return list(self._held.values())

    @property
    def number(self) -> int:
        """How many messages are held."""
        return len(self._held)

    @property
    def empty(self) -> bool:
        """Whether nothing is held and nothing is to be settled."""
        with self._lock:
            return not (self._held or self._outbox or self._refused or self._settling)
