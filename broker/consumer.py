"""The consumer of one queue in one process: reads, hands to workers, settles, hands back.

`__next__` never raises for an outage of Redis. It notes it, waits a moment and returns None, so the worker
is listening again within seconds and the log has two lines in place of one every three seconds.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from typing import Any

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import ActorNotFound, BrokerConnectionError
from dramatiq.message import Message

from broker import client, dead, scripts
from broker.delays import LOOK_MS, park_ms, waiting_id
from broker.errors import is_missing, translated
from broker.holding import Holding
from broker.keys import GROUP, MESSAGE, PARKED, SHELF, WAKE
from broker.message import Send, Settlement, StreamMessage
from broker.turns import RawEntry, Turns

logger = logging.getLogger(__name__)

#: Never block longer than this, so that a worker can stop, in ms.
_BLOCK_MS = 1000

#: How many pending entries are looked through at a time.
_PAGE = 500

#: How many entries a lost reply can have stranded at most.
_STRANDED = 100_000

#: What the parts of a message have to be.
_KINDS = {"queue_name": str, "actor_name": str, "message_id": str, "kwargs": dict, "options": dict}

#: Time between sweeps, as a share of the lease: recovery takes a lease and a sweep.
_SWEEP_SHARE = 2 / 3

#: Consumers that hold nothing and did not read for this long are removed, in ms.
_ABSENT_MS = 60_000


class StreamConsumer(Consumer):
    """Iterates over the messages of a queue; None when there is none for `timeout` ms or no room for one."""

    def __init__(
        self,
        broker: Broker,
        holding: Holding,
        turns: Turns,
        *,
        prefetch: int,
        timeout_ms: int,
        lease_ms: int,
        unknown_actor_ms: int,
    ) -> None:
        self.broker = broker
        self.holding = holding
        self.turns = turns
        self.prefetch = prefetch
        self.timeout_s = timeout_ms / 1000
        self.block_ms = int(min(timeout_ms, _BLOCK_MS, client.read_timeout_ms(holding.client) / 2))
        self.lease_ms = lease_ms
        self.unknown_actor_ms = unknown_actor_ms
        self._sweep_from = b"-"
        self._sweep_at = time.monotonic()
        self._absent_at = time.monotonic() + _ABSENT_MS / 1000 * random.random()
        #: Monotonic seconds: when to look at Redis again without being woken, and when the next message is due.
        self._look_at = 0.0
        self._due_at: float | None = None
        #: Redis's clock less ours, in ms.
        self._clock_ms: float | None = None
        holding.open = True

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None."""
        self.holding.attend()
        message = self.holding.pop()
        if message is not None:
            return message
        try:
            self._refill()
        except BrokerConnectionError as error:
            self._rest(error)
            return None
        self.holding.heard_at = time.monotonic()
        return self.holding.pop()

    def ack(self, message: MessageProxy) -> None:
        """The message is settled, and what it was to be followed by is sent, now or with the reader's next turn."""
        self._finish(message, None)

    def nack(self, message: MessageProxy) -> None:
        """The message is a dead letter, now or with the reader's next turn."""
        self._finish(message, dead.letter(message, getattr(message, "reason", dead.FAILED)))

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """The messages, which were not started, are offered to other consumers at once."""
        self._hand_back([message for message in messages if isinstance(message, StreamMessage)])

    def close(self) -> None:
        """All that was finished is settled, all that no worker was given is handed back. May be called again."""
        self.holding.open = False
        unread = self.holding.leave()
        self.turns.settle(self.holding)
        self._hand_back(unread)
        if self.holding.empty:
            with translated():
                scripts.DEPART(self.holding.client, [self.holding.keys.stream], [GROUP, self.turns.consumer, 0])

    # Reading.

    def _refill(self) -> None:
        patience_s = self.timeout_s if self._due_at is None else min(self.timeout_s, self._due_in_s())
        room = self.holding.room(self.prefetch, patience_s)
        if room and self.holding.suspect:
            self._recover()
        if room and self._clock_ms is not None and time.monotonic() >= self._sweep_at:
            room -= self._sweep(room)
        if self._should_look() and self._look(room):
            return
        if room and self.holding.listen():
            try:
                self._listen(room)
            finally:
                self.holding.listened()

    def _should_look(self) -> bool:
        return time.monotonic() >= self._look_at or self._due_in_s() <= 0 or self.holding.ripe

    def _due_in_s(self) -> float:
        return float("inf") if self._due_at is None else max(0.0, self._due_at - time.monotonic())

    def _look(self, room: int) -> int:
        """Take a turn; return how many messages it brought."""
        turn = self.turns.read(self.holding, room)
        now = time.monotonic()
        self._clock_ms = turn.now_ms - now * 1000
        self._due_at = None if turn.due_ms is None else now + turn.due_ms / 1000
        drained = len(turn.new) + len(turn.retaken) < room
        if room:
            self._look_at = now + LOOK_MS / 1000 if drained else now
        retaken = [self._admit(entry[0], entry[1], starts=entry[2]) for entry in turn.retaken]
        new = [self._admit(entry[0], entry[1]) for entry in turn.new]
        return sum(retaken) + sum(new)

    def _listen(self, room: int) -> None:
        """Block until something is new, the next message is due or a second has passed."""
        block_ms = max(1, int(min(self.block_ms, self._due_in_s() * 1000)))
        try:
            with translated():
                reply = self.holding.client.xreadgroup(
                    GROUP, self.turns.consumer, {self.holding.keys.stream: ">"}, count=room, block=block_ms
                )
        except BrokerConnectionError:
            self.holding.suspect = True
            raise
        except Exception as error:
            if not is_missing(error):
                raise
            self._look_at = 0.0
            return
        self.turns.outage.over()
        for entry_id, fields in reply[0][1] if reply else ():
            self._admit(entry_id, [text for pair in fields.items() for text in pair])

    def _admit(self, entry_id: bytes, texts: RawEntry, *, starts: bytes | None = None) -> bool:
        """Make a message of an entry. Return False when it is none for a worker, and dealt with."""
        fields = dict(zip(texts[::2], texts[1::2], strict=True))
        if WAKE in fields:
            self._look_at = 0.0
            self.holding.add(Settlement(entry_id))
            return False
        try:
            message = _decode(fields.get(MESSAGE, b""))
        except Exception as error:
            self._bury_undecodable(entry_id, error)
            return False
        if message.queue_name != self.holding.queue:
            # The worker finds the way back to this consumer by the name.
            message = message.copy(queue_name=self.holding.queue)
        parked_ms, counted = _number(fields.get(PARKED)), _number(starts)
        proxy = StreamMessage(message, entry_id, self.holding, parked_ms=parked_ms, starts=counted)
        if message.actor_name not in self.broker.actors:
            self._park(proxy)
            return False
        self.holding.admit(proxy)
        return True

    def _recover(self) -> None:
        """Put entries that Redis gave to this consumer in a reply that never came where the next turn finds them."""
        stream, consumer = self.holding.keys.stream, self.turns.consumer
        self.holding.suspect = False
        try:
            with translated():
                pending = self.holding.client.xpending_range(stream, GROUP, "-", "+", _STRANDED, consumername=consumer)
        except Exception as error:
            self.holding.suspect = not is_missing(error)
            if self.holding.suspect:
                raise
            pending = []
        stranded = [one["message_id"] for one in pending if not self.holding.holds(one["message_id"])]
        self.turns.hand_back(self.holding, stranded)
        self._look_at = 0.0

    # Taking over from others.

    def _sweep(self, room: int) -> int:
        """Take over entries whose lease ran out, at most `room`; return how many messages that brought."""
        # After an outage all leases look old: let the living renew theirs first.
        settled_at = self.turns.outage.ended_at + self.lease_ms / 2000
        if time.monotonic() < settled_at:
            self._sweep_at = settled_at
            return 0
        admitted = 0
        while admitted < room:
            self._sweep_from, entries = self._reclaim(room - admitted)
            admitted += sum(self._admit(entry[0], entry[1], starts=entry[2]) for entry in entries)
            if not self._sweep_from:
                self._sweep_from = b"-"
                self._sweep_at = time.monotonic() + self.lease_ms / 1000 * _SWEEP_SHARE * random.uniform(0.8, 1)
                self._remove_absent()
                break
        return admitted

    def _reclaim(self, want: int) -> tuple[bytes, list[RawEntry]]:
        arguments: list[scripts.Text] = [
            GROUP,
            self.turns.consumer,
            SHELF,
            self.lease_ms,
            self._sweep_from,
            _PAGE,
            want,
        ]
        self.holding.suspect = True
        with translated():
            reply = scripts.RECLAIM(
                self.holding.client, [self.holding.keys.stream, self.holding.keys.starts], arguments
            )
        self.holding.suspect = False
        return reply[0], reply[1]

    def _remove_absent(self) -> None:
        if time.monotonic() < self._absent_at:
            return
        self._absent_at = time.monotonic() + _ABSENT_MS / 1000
        with translated():
            scripts.DEPART(self.holding.client, [self.holding.keys.stream], [GROUP, "", _ABSENT_MS])

    # Entries that are not for a worker.

    def _bury_undecodable(self, entry_id: bytes, error: Exception) -> None:
        logger.error("Entry %r of queue %s is no message: dead-lettered.", entry_id, self.holding.queue)
        cause = error.__cause__ or error
        letter = dead.DeadLetter(dead.UNDECODABLE, error=f"{type(cause).__name__}: {cause}", queue=self.holding.queue)
        self.holding.add(Settlement(entry_id, letter=letter))

    def _park(self, message: StreamMessage) -> None:
        """Offer a message for an unknown actor again later: a worker that knows it may be about to start."""
        now_ms = int(time.monotonic() * 1000 + (self._clock_ms or 0))
        since_ms = now_ms if message.parked_ms is None else message.parked_ms
        left_ms = self.unknown_actor_ms - (now_ms - since_ms)
        if left_ms <= 0:
            self._bury_unknown(message)
            return
        if message.parked_ms is None:
            logger.warning("No actor %r here yet: message %s is parked.", message.actor_name, message.message_id)
        delay_ms = min(left_ms, park_ms(now_ms - since_ms))
        send = Send(waiting_id(message.message_id), delay_ms, parked_ms=since_ms)
        self.holding.add(Settlement(message.entry_id, [send]))

    def _bury_unknown(self, message: StreamMessage) -> None:
        logger.error("No actor %r came for message %s: dead-lettered.", message.actor_name, message.message_id)
        message.stuff_exception(ActorNotFound(message.actor_name))  # type: ignore[no-untyped-call]  # theirs
        message.fail()
        # Whoever waits for a result must hear of it, and no worker will tell.
        try:
            self.broker.emit_before("nack", message)
        finally:
            self.holding.add(Settlement(message.entry_id, letter=dead.letter(message, dead.UNKNOWN_ACTOR)))
        self.broker.emit_after("nack", message)

    # Settling and handing back.

    def _finish(self, message: MessageProxy, letter: dead.DeadLetter | None) -> None:
        if not isinstance(message, StreamMessage):
            raise TypeError(f"{message!r} was not fetched by this broker")
        message.settled = True
        if not self.holding.finish(message, Settlement(message.entry_id, message.sends, letter)):
            logger.warning("Message %s is not held any more: nothing done.", message.message_id)
        elif not self.holding.attended:
            self.turns.settle(self.holding)

    def _hand_back(self, messages: list[StreamMessage]) -> None:
        held = [message for message in messages if self.holding.forget(message)]
        for message in held:
            message.settled = True
        if held:
            self.turns.hand_back(self.holding, [message.entry_id for message in held])

    def _rest(self, error: BrokerConnectionError) -> None:
        self.turns.outage.note(error)
        time.sleep(min(self.timeout_s, self.turns.outage.wait_s()))


def _decode(body: bytes) -> Message[Any]:
    message: Message[Any] = Message.decode(body)
    # Dramatiq takes any JSON for these, and then fails where nobody can settle the message.
    for name, kind in _KINDS.items():
        if not isinstance(getattr(message, name), kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    return message


def _number(text: bytes | None) -> int | None:
    return None if text is None else int(text)
