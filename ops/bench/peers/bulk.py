"""Ways to send many messages with our broker, and the bare Redis commands beside them.

PROGRAM ready URL NUMBER   broker.enqueue, of messages made beforehand
PROGRAM many  URL NUMBER   broker.enqueue_many, of messages made beforehand
PROGRAM made  URL NUMBER   broker.enqueue_many, and the messages are made meanwhile
PROGRAM bare  URL NUMBER   XADD of one encoded message, pipelined by the hundred
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from dramatiq.message import Message

from broker import RedisStreamsBroker, connect
from broker.keys import MESSAGE
from ops.bench.peers.dramatiqs import take
from ops.bench.stage import PAYLOAD, rate

#: Commands in one pipeline of the bare loop.
_PIPELINE = 100


class _Sender:
    """Sends `number` messages in one of the ways, each of which returns the seconds that it took."""

    def __init__(self, url: str, number: int) -> None:
        self.url = url
        self.number = number
        self.broker = RedisStreamsBroker(url=url)
        self.actor = take(self.broker, lambda sent: None)
        self.broker.client.ping()

    def ready(self) -> float:
        messages = list(self._messages())
        begun = time.monotonic()
        for message in messages:
            self.broker.enqueue(message)
        return time.monotonic() - begun

    def many(self) -> float:
        messages = list(self._messages())
        begun = time.monotonic()
        self.broker.enqueue_many(messages)
        return time.monotonic() - begun

    def made(self) -> float:
        begun = time.monotonic()
        self.broker.enqueue_many(self._messages())
        return time.monotonic() - begun

    def bare(self) -> float:
        client = connect(self.url)
        client.ping()
        body = next(self._messages()).encode()
        begun = time.monotonic()
        for _one in range(self.number // _PIPELINE):
            pipeline: Any = client.pipeline(transaction=False)
            for _other in range(_PIPELINE):
                pipeline.execute_command("XADD", self.actor.queue_name, "*", MESSAGE, body)
            pipeline.execute()
        return time.monotonic() - begun

    def _messages(self) -> Iterator[Message[Any]]:
        return (self.actor.message(0.0, dict(PAYLOAD)) for _ in range(self.number))


def main(role: str, url: str, number: str) -> None:
    """The messages have been sent, and the rate is printed."""
    sender = _Sender(url, int(number))
    ways: dict[str, Callable[[], float]] = {
        "ready": sender.ready,
        "many": sender.many,
        "made": sender.made,
        "bare": sender.bare,
    }
    rate(int(number), ways[role]())


if __name__ == "__main__":
    main(*sys.argv[1:])
