"""What a producer may send: so many messages on a queue, so many bytes in a message.

Only what is new is refused. A retry, a rescheduled message or one that comes back for any other reason is
always taken: refusing it would lose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dramatiq.errors import BrokerError
from dramatiq.message import Message

#: The largest message that may be sent, in bytes. Redis copies each of them several times.
MAX_MESSAGE_BYTES = 1024 * 1024


class QueueFull(BrokerError):
    """The queue has as many messages as it may have: waiting, in flight and delayed, in all lanes.

    It is no connection error: sending again helps once workers have caught up.
    """

    def __init__(self, queue_name: str, depth: int) -> None:
        super().__init__(f"queue {queue_name!r} is full: it may have {depth} messages")  # type: ignore[no-untyped-call]  # theirs
        self.queue_name = queue_name
        #: How many messages the queue may have.
        self.depth = depth
        #: Of `enqueue_many`: what was sent before, and what was taken from the iterable and not sent.
        self.sent: list[Message[Any]] = []
        self.unsent: list[Message[Any]] = []


class MessageTooLarge(BrokerError):
    """The encoded message has more bytes than it may have. Nothing was sent."""

    def __init__(self, message: Message[Any], size: int, limit: int) -> None:
        text = f"message {message.message_id} for {message.actor_name} has {size} bytes of {limit} allowed"
        super().__init__(text)  # type: ignore[no-untyped-call]  # theirs
        self.size = size
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Limits:
    """The greatest depth of queues (one for all, or by queue name; None is none) and size of messages (bytes)."""

    max_depth: int | Mapping[str, int] | None = None
    max_message_bytes: int = MAX_MESSAGE_BYTES

    def depth(self, queue_name: str) -> int | None:
        """Return how many messages a queue may have; None for any number."""
        if self.max_depth is None or isinstance(self.max_depth, int):
            return self.max_depth
        return self.max_depth.get(queue_name)

    def weigh(self, message: Message[Any], body: bytes) -> None:
        """The body is not too large. Raises MessageTooLarge."""
        if len(body) > self.max_message_bytes:
            raise MessageTooLarge(message, len(body), self.max_message_bytes)
