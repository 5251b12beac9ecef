"""A message as a worker gets it, and what is to become of it at Redis when the worker is done.

Enqueueing a message again while it is being processed, as retries do, only notes a `Send` on it.
The acknowledgement then does all at once, so that a message is never both gone and not retried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dramatiq.broker import MessageProxy
from dramatiq.message import Message

from broker.calls import Text
from broker.dead import FAILED, DeadLetter
from broker.unique import ending_claim


@dataclass(frozen=True, slots=True)
class Send:
    """A message to be put on its queue, `delay_ms` from then. An empty body stands for the entry's own."""

    waiting_id: str
    delay_ms: int
    body: bytes = b""
    #: Since when (Redis's clock, ms) it waits for a worker that knows its actor.
    parked_ms: int | None = None


class StreamMessage(MessageProxy):
    """A message that this process holds: fetched from the stream, and not yet settled there."""

    #: How often it was started since it was taken over from another consumer; None if it never was.
    starts: int | None = None
    #: When (monotonic, s) its actor was started.
    started_at: float | None = None
    #: What is to be sent when it is acknowledged.
    sends: Sequence[Send] = ()
    settled = False
    #: Whether it was cancelled while this process held it. It is not in Redis any more.
    cancelled = False
    #: Whether it is run together with others.
    batched = False
    #: Whether others of its queue are settled by the same thread right after it: one script does for all.
    followed = False
    reason = FAILED

    def __init__(
        self, message: Message[Any], entry_id: bytes, home: object, *, parked_ms: int | None, leased_at: float
    ) -> None:
        super().__init__(message)
        # A worker looks these up some twenty times, and a proxy's own attributes are found at once.
        self.__dict__.update(message.__dict__)
        self.entry_id = entry_id
        #: The holding that it belongs to.
        self.home = home
        self.parked_ms = parked_ms
        #: When (monotonic, s) its lease began.
        self.leased_at = leased_at


def settlement(message: StreamMessage, letter: DeadLetter | None) -> Settlement:
    """Return the end of a message. One that is sent again by it keeps its claim."""
    claim = "" if message.sends else ending_claim(message)
    return Settlement(message.entry_id, message.sends, letter, claim, message.message_id if claim else "")


@dataclass(slots=True)
class Settlement:
    """The end of one entry: acknowledged and deleted, with what is to be sent and the dead letter, as one step."""

    entry_id: bytes
    sends: Sequence[Send] = ()
    letter: DeadLetter | None = None
    #: What the message claimed to be alone with until now, and then its id.
    claim: str = ""
    message_id: str = ""
    #: Whether Redis may have done it already: a reply was lost.
    doubtful: bool = False
    #: Not to be tried before (monotonic, s): Redis refused it, for want of memory.
    not_before: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether the entry is just done, and nothing is to be done beside."""
        return not self.sends and self.letter is None and not self.claim

    def arguments(self) -> list[Text]:
        """Return it as `turn.lua` reads one that is not plain."""
        arguments: list[Text] = [self.entry_id, len(self.sends)]
        for send in self.sends:
            arguments += (send.waiting_id, send.delay_ms, "" if send.parked_ms is None else send.parked_ms, send.body)
        texts = [] if self.letter is None else self.letter.texts()
        arguments += (len(texts), *texts, self.claim)
        if self.claim:
            arguments.append(self.message_id)
        return arguments
