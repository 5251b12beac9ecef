"""No broker at all: what Dramatiq's Worker can do when fetching and acknowledging cost nothing.

Messages are encoded beforehand and lie in memory. All else is our broker's: middleware, the way its hooks are called,
decoding, a reader that waits for a quarter of its prefetch. `work` is the only role.

What may surprise: it is no ceiling. It decodes each message just before it hands it out, where ours decodes a batch
first, and ours has been measured to be faster.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable

from dramatiq.broker import Consumer, MessageProxy

from broker import RedisStreamsBroker
from broker.codec import decode
from ops.bench import stage
from ops.bench.peers.dramatiqs import contender, take
from ops.bench.stage import PAYLOAD, Note, Send, Work


class NullBroker(RedisStreamsBroker):
    """Gives out messages from memory, and never connects."""

    def __init__(self, url: str) -> None:
        super().__init__(url=url)
        self.messages: list[bytes] = []

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> Consumer:
        """Return a consumer of all messages."""
        return NullConsumer(self.messages, prefetch, timeout / 1000)


class NullConsumer(Consumer):
    """Decodes the messages, and holds at most `prefetch` of them."""

    def __init__(self, messages: list[bytes], prefetch: int, timeout_s: float) -> None:
        self._messages = iter(messages)
        self._prefetch = prefetch
        self._timeout_s = timeout_s
        self._held = 0
        #: The reader waits until no more than this are held.
        self._awaited = -1
        self._changed = threading.Condition()

    def __next__(self) -> MessageProxy | None:
        """Return the next message; None when there is none or too many are held."""
        if not self._has_room():
            return None
        body = next(self._messages, None)
        if body is None:
            time.sleep(self._timeout_s)  # all have been given out
            return None
        return MessageProxy(decode(body))

    def _has_room(self) -> bool:
        """Whether one more may be held, which it is from now on."""
        with self._changed:
            if self._held >= self._prefetch:
                self._awaited = self._prefetch - max(1, self._prefetch // 4)
                self._changed.wait_for(lambda: self._held <= self._awaited, self._timeout_s)
                self._awaited = -1
            has_room = self._held < self._prefetch
            self._held += has_room
            return has_room

    def ack(self, message: MessageProxy) -> None:
        """The message is no longer held."""
        with self._changed:
            self._held -= 1
            if self._held <= self._awaited:
                self._changed.notify()

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Nothing is kept for a next time."""

    def close(self) -> None:
        """Nothing is open."""


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return the worker; the sender sends nothing, because the messages are there already."""
    broker = NullBroker(url)
    expected = int(sys.argv[4])
    message = take(broker, note).message(time.monotonic(), dict(PAYLOAD))
    broker.messages = [message.copy(message_id=f"{number:036d}").encode() for number in range(expected)]
    broker.actors.clear()
    return contender(broker, note)


if __name__ == "__main__":
    stage.main(make)
