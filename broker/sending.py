"""Sending: a message as it goes to Redis, one at a time or many in one step.

Many are put on a lane by one script for each chunk, so a chunk's messages for one lane are there whole or not at all,
and the claims of unique messages and the depth of the queue are looked at in the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dramatiq.errors import BrokerConnectionError, ConnectionClosed
from dramatiq.message import Message
from redis.exceptions import ResponseError

from broker import delays, scripts
from broker.calls import Text
from broker.keys import Keys
from broker.limits import QueueFull

#: Says that a queue has no room (see place.lua).
FULL = b"FULL"

#: One script takes no more messages than this, nor, but for the last of them, more bytes.
CHUNK = 500
CHUNK_BYTES = 1024 * 1024


class Interrupted(ConnectionClosed):
    """The connection was lost, or Redis refused, while many messages were being sent.

    `sent` are in Redis, `doubtful` may be (their reply was lost), `unsent` were taken from the iterable and are not.
    What is still in the iterable was not sent either.
    """

    def __init__(
        self, error: Exception, sent: list[Message[Any]], doubtful: list[Message[Any]], unsent: list[Message[Any]]
    ) -> None:
        super().__init__(f"{error} ({len(sent)} messages are sent, {len(doubtful)} may be)")  # type: ignore[no-untyped-call]  # theirs
        self.sent = sent
        self.doubtful = doubtful
        self.unsent = unsent


@dataclass(slots=True)
class Parcel:
    """A message, encoded, on its way to a lane."""

    message: Message[Any]
    body: bytes
    mark: str
    #: As it was asked for, in ms.
    delay: int | None = None
    claim: str = ""
    window_ms: int = 0

    @property
    def plain(self) -> bool:
        """Whether its body says all."""
        return not self.claim and (self.delay is None or self.delay <= 0)

    def texts(self) -> tuple[Text, ...]:
        """Return it as `place.lua` reads it."""
        message_id = self.message.message_id
        waiting_id = delays.waiting_id(message_id, self.mark)
        return (self.body, waiting_id, int(self.delay or 0), self.claim, self.window_ms, message_id)


@dataclass(slots=True)
class Placed:
    """What became of parcels: so many, from the first, are dealt with, and why not all."""

    dealt: int
    refusal: QueueFull | ResponseError | None = None
    #: The ids of messages that hold the claims of parcels, which were not sent therefore, by their number from 0.
    twins: dict[int, str] = field(default_factory=dict)


def place(client: Any, keys: Keys, parcels: list[Parcel], depth: int | None) -> Placed:
    """Put parcels for one lane on their queue, as far as it may have them. Raises Redis's errors."""
    plain = all(parcel.plain for parcel in parcels)
    arguments: list[Text] = [-1 if depth is None else depth, delays.LOOK_MS, parcels[0].mark, 1 if plain else 6]
    if plain:
        arguments += [parcel.body for parcel in parcels]
    else:
        for parcel in parcels:
            arguments += parcel.texts()
    dealt, why, flat = scripts.PLACE(client, keys.all, arguments)
    twins = {number - 1: twin.decode() for number, twin in zip(flat[::2], flat[1::2], strict=True)}
    return Placed(dealt, _refusal(why, parcels[0].message.queue_name, depth), twins)


def _refusal(why: bytes, queue_name: str, depth: int | None) -> QueueFull | ResponseError | None:
    if not why:
        return None
    return QueueFull(queue_name, depth or 0) if why == FULL else ResponseError(why.decode(errors="replace"))


def outcome(parcel: Parcel, twin: str | None) -> Message[Any]:
    """Return the message that is there: the parcel's, or under the id of the twin that was there before it."""
    return parcel.message if twin is None else parcel.message.copy(message_id=twin)


class Shipment:
    """One call of `enqueue_many`: gathers parcels, puts them on their lanes chunk by chunk, and keeps the account."""

    def __init__(self, put: Callable[[list[Parcel]], Placed], sent: Callable[[Parcel], object] | None) -> None:
        self._put = put
        self._sent = sent
        #: The messages that are there, in the order in which they were given.
        self.messages: list[Message[Any]] = []

    def send(self, parcels: Iterator[Parcel]) -> None:
        """All parcels are sent.

        Raises QueueFull, Interrupted, and what making the next parcel raised, once those before it are sent.
        """
        while True:
            chunk, error = _chunk(parcels)
            self._ship(chunk)
            if error is not None:
                error.add_note(f"{len(self.messages)} messages were sent before")
                raise error
            if not chunk:
                return

    def _ship(self, chunk: list[Parcel]) -> None:
        done: dict[int, Message[Any]] = {}
        doubtful: list[int] = []
        try:
            for numbers in _by_lane(chunk):
                parcels, doubtful = [chunk[number] for number in numbers], numbers
                placed = self._put(parcels)
                doubtful = []
                done |= self._arrived(numbers, parcels, placed)
                if placed.refusal is not None:
                    raise placed.refusal
        except (BrokerConnectionError, QueueFull, ResponseError) as error:
            self.messages += _ordered(done)
            rest = [parcel.message for number, parcel in enumerate(chunk) if number not in done]
            if isinstance(error, QueueFull):
                error.sent, error.unsent = self.messages, rest
                raise
            lost = [chunk[number].message for number in doubtful]
            unsent = [message for message in rest if not any(message is one for one in lost)]
            raise Interrupted(error, self.messages, lost, unsent) from error
        self.messages += _ordered(done)

    def _arrived(self, numbers: list[int], parcels: list[Parcel], placed: Placed) -> dict[int, Message[Any]]:
        if not placed.twins:
            arrived = [parcel.message for parcel in parcels[: placed.dealt]]
        else:
            arrived = [outcome(parcel, placed.twins.get(at)) for at, parcel in enumerate(parcels[: placed.dealt])]
        if self._sent is not None:
            for at, parcel in enumerate(parcels[: placed.dealt]):
                if at not in placed.twins:
                    self._sent(parcel)
        return dict(zip(numbers, arrived, strict=False))


def _chunk(parcels: Iterator[Parcel]) -> tuple[list[Parcel], Exception | None]:
    """Return as many parcels as one script may take, and what ended them too soon."""
    chunk: list[Parcel] = []
    size = 0
    try:
        for parcel in parcels:
            chunk.append(parcel)
            size += len(parcel.body)
            if len(chunk) >= CHUNK or size >= CHUNK_BYTES:
                break
    except Exception as error:
        return chunk, error
    return chunk, None


def _by_lane(chunk: list[Parcel]) -> Iterable[list[int]]:
    """Return the numbers of the parcels for each lane, in their order."""
    lanes: dict[tuple[str, str], list[int]] = {}
    for number, parcel in enumerate(chunk):
        lanes.setdefault((parcel.message.queue_name, parcel.mark), []).append(number)
    return lanes.values()


def _ordered(done: dict[int, Message[Any]]) -> list[Message[Any]]:
    return [done[number] for number in sorted(done)]
