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
from redis.exceptions import ResponseError

from broker import client, dead, scripts
from broker.batches import most
from broker.calls import Text, call_all
from broker.codec import decode
from broker.delays import LOOK_MS, park_ms, waiting_id
from broker.errors import is_missing, translated
from broker.holding import Holding
from broker.keys import GROUP, MESSAGE, PARKED, SHELF, WAKE, mark_of
from broker.message import Send, Settlement, StreamMessage, settlement
from broker.turns import RawEntry, Turns

logger = logging.getLogger(__name__)

#: Never block longer than this, so that a worker can stop, in ms.
_BLOCK_MS = 1000

#: How many pages of pending entries one script looks through, so that it takes some milliseconds at most.
_PAGES = 10

#: Where a sweep begins: lane and cursor.
_SWEEP_BEGIN = (1, b"0-0")

#: How long at most a reader that was woken by messages rests until they are done, in seconds: else it takes the
#: interpreter from those who do them. What comes meanwhile waits, though other threads may be idle; batches are done by
#: one thread anyway.
_COURTESY_S, _COURTESY_TO_BATCHES_S = 0.001, 0.01

#: How often to ask whether a paused queue goes on, in seconds.
_PAUSE_S = 0.9

#: How many entries a lost reply can have stranded at most.
_STRANDED = 100_000

#: An entry to be admitted: its name, its fields and values, and the starts counted so far, or None.
Entry = tuple[bytes, RawEntry, bytes | None]

#: Time between sweeps, as a share of the lease: recovery takes a lease and a sweep.
_SWEEP_SHARE = 2 / 3

#: Consumers that hold nothing and whose lease ended so long ago are removed, in ms.
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
        #: Lane and cursor, where the sweep goes on.
        self._sweep_from: tuple[int, bytes] = _SWEEP_BEGIN
        self._sweep_at = time.monotonic()
        self._absent_at = time.monotonic() + _ABSENT_MS / 1000 * random.random()
        #: Monotonic seconds: when to look at Redis again without being woken, and when the next message is due.
        self._look_at = 0.0
        self._due_at: float | None = None
        self._paused = False
        #: What to wait for, once, before the next look: fewer than this held, for so many seconds at most.
        self._courtesy: tuple[int, float] | None = None
        self._marks = {holding.keys.urgent.encode(): b"u", holding.keys.bulk.encode(): b"b"}
        holding.open = True

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None."""
        self.holding.attend()
        message = self.holding.pop()
        if message is not None:
            return message
        if self._courtesy:
            courtesy, self._courtesy = self._courtesy, None
            self.holding.wait_below(*courtesy)
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
        self.turns.settle(self.holding, wait=True)
        self._hand_back(unread)
        if self.holding.empty:
            with translated():
                scripts.DEPART(self.holding.client, self.holding.keys.all, [GROUP, self.turns.consumer, 0, SHELF])

    # Reading.

    def _refill(self) -> None:
        patience_s = self.timeout_s if self._due_at is None else min(self.timeout_s, self._due_in_s())
        room = self.holding.room(self.prefetch, patience_s)
        if room and self.holding.suspect:
            self._recover()
        if room and not self._paused and self.holding.clock_ms is not None and time.monotonic() >= self._sweep_at:
            room -= self._sweep(room)
        self._remove_absent()
        if self._should_look() and self._look(room):
            return
        if room and self.holding.listen():
            try:
                if self._paused:
                    time.sleep(min(self.timeout_s, _PAUSE_S, self._due_in_s()))
                else:
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
        self._due_at = None if turn.due_ms is None else now + turn.due_ms / 1000
        if turn.paused:
            self._pause()
            return 0
        came = len(turn.retaken) + sum(len(entries) for _, entries in turn.new)
        if room:
            self._paused = False
            self._look_at = now + LOOK_MS / 1000 if came < room else now
        return self._admit(
            [(name, texts, starts) for name, texts, starts in turn.retaken]
            + [(mark + entry_id, texts, None) for mark, entries in turn.new for entry_id, texts in entries]
        )

    def _pause(self) -> None:
        """What no worker was given yet is handed back, and Redis is asked every second whether to go on."""
        self._paused = True
        self._look_at = time.monotonic() + _PAUSE_S
        self._hand_back(self.holding.leave())

    def _listen(self, room: int) -> None:
        """Block until something is new, the next message is due or a second has passed."""
        block_ms = max(1, int(min(self.block_ms, self._due_in_s() * 1000)))
        # COUNT is for each lane. The last turn left the lanes empty, so more than one has seldom something:
        # what is too much goes to others.
        try:
            with translated():
                reply, paused = call_all(
                    self.holding.client,
                    (
                        *("XREADGROUP", "GROUP", GROUP, self.turns.consumer, "COUNT", room, "BLOCK", block_ms),
                        *("STREAMS", *self.holding.keys.lanes, ">", ">", ">"),
                    ),
                    # The queue may have been paused while it blocked.
                    ("EXISTS", self.holding.keys.paused),
                )
                for answer in (reply, paused):
                    if isinstance(answer, ResponseError):
                        raise answer
        except BrokerConnectionError:
            self.holding.suspect = True
            raise
        except Exception as error:
            if not is_missing(error):
                raise
            self._look_at = 0.0
            return
        self.turns.outage.over()
        came = self._named(reply or [])
        held = self.holding.number
        messages = self._messages(came[:room])
        # The lanes come with the most urgent first.
        excess = [name for name, _, _ in came[room:]]
        if paused:
            excess = [message.entry_id for message in messages] + excess
        if excess:
            self.turns.hand_back(self.holding, excess)
        if paused:
            self._pause()
            return
        if len(came) >= room:
            # There may be more.
            self._look_at = 0.0
        if messages:
            batches = all(most(self.broker.actors.get(message.actor_name)) for message in messages)
            self._courtesy = held + 1, _COURTESY_TO_BATCHES_S if batches else _COURTESY_S
        self.holding.admit(messages)

    def _named(self, reply: list[Any]) -> list[Entry]:
        return [
            (self._marks.get(stream, b"") + entry_id, _texts(fields), None)
            for stream, entries in reply
            for entry_id, fields in entries
        ]

    def _admit(self, entries: Iterable[Entry]) -> int:
        """Hold what is for a worker of the entries, and return how many that are."""
        messages = self._messages(entries)
        self.holding.admit(messages)
        return len(messages)

    def _messages(self, entries: Iterable[Entry]) -> list[StreamMessage]:
        """Return messages made of those entries that are for a worker; the others are dealt with."""
        now = time.monotonic()
        return [message for entry in entries if (message := self._message(*entry, now)) is not None]

    def _message(self, entry_id: bytes, texts: RawEntry, starts: bytes | None, now: float) -> StreamMessage | None:
        parked_ms = None
        if len(texts) == 2 and texts[0] == MESSAGE:
            body = texts[1]
        else:
            fields = dict(zip(texts[::2], texts[1::2], strict=True))
            if WAKE in fields:
                self._look_at = 0.0
                self.holding.add(Settlement(entry_id))
                return None
            body, parked_ms = fields.get(MESSAGE, b""), _number(fields.get(PARKED))
        try:
            message = decode(body)
        except Exception as error:
            self._bury_undecodable(entry_id, error)
            return None
        if message.queue_name != self.holding.queue:
            # The worker finds the way back to this consumer by the name.
            message = message.copy(queue_name=self.holding.queue)
        proxy = StreamMessage(message, entry_id, self.holding, parked_ms=parked_ms, leased_at=now)
        if starts is not None:
            proxy.starts = int(starts)
        if message.actor_name not in self.broker.actors:
            self._park(proxy)
            return None
        return proxy

    def _recover(self) -> None:
        """Put entries that Redis gave to this consumer in a reply that never came where the next turn finds them."""
        self.holding.suspect = False
        pending: list[bytes] = []
        for stream in self.holding.keys.lanes:
            try:
                pending += self._pending(stream)
            except Exception as error:
                self.holding.suspect = not is_missing(error)
                if self.holding.suspect:
                    raise
        self.turns.hand_back(self.holding, [name for name in pending if not self.holding.holds(name)])
        self._look_at = 0.0

    def _pending(self, stream: str) -> list[bytes]:
        mark = self._marks.get(stream.encode(), b"")
        with translated():
            pending = self.holding.client.xpending_range(
                stream, GROUP, "-", "+", _STRANDED, consumername=self.turns.consumer
            )
        return [mark + one["message_id"] for one in pending]

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
            lane, cursor, entries = self._reclaim(room - admitted)
            # More than a script renews of its own may have been in its way.
            admitted += self._admit([(*entry,) for entry in entries if not self.holding.holds(entry[0])])
            self._sweep_from = (lane, cursor)
            if not lane:
                self._sweep_from = _SWEEP_BEGIN
                self._sweep_at = time.monotonic() + self.lease_ms / 1000 * _SWEEP_SHARE * random.uniform(0.9, 1)
                break
        return admitted

    def _reclaim(self, want: int) -> tuple[int, bytes, list[RawEntry]]:
        arguments: list[Text] = [
            GROUP,
            self.turns.consumer,
            SHELF,
            self.lease_ms,
            *self._sweep_from,
            want,
            _PAGES,
        ]
        self.holding.suspect = True
        with translated():
            lane, cursor, taken = scripts.RECLAIM(self.holding.client, self.holding.keys.all, arguments)
        self.holding.suspect = False
        return lane, cursor, taken

    def _remove_absent(self) -> None:
        if time.monotonic() < self._absent_at:
            return
        self._absent_at = time.monotonic() + _ABSENT_MS / 1000
        with translated():
            scripts.DEPART(self.holding.client, self.holding.keys.all, [GROUP, "", _ABSENT_MS, SHELF])

    # Entries that are not for a worker.

    def _bury_undecodable(self, entry_id: bytes, error: Exception) -> None:
        logger.error("Entry %r of queue %s is no message: dead-lettered.", entry_id, self.holding.queue)
        cause = error.__cause__ or error
        letter = dead.DeadLetter(dead.UNDECODABLE, error=f"{type(cause).__name__}: {cause}", queue=self.holding.queue)
        self.holding.add(Settlement(entry_id, letter=letter))
        # Hooks of Dramatiq's would want a message. This one is the library's own.
        self.broker.emit_after("undecodable", self.holding.queue)

    def _park(self, message: StreamMessage) -> None:
        """Offer a message for an unknown actor again later: a worker that knows it may be about to start."""
        now_ms = int(time.monotonic() * 1000 + (self.holding.clock_ms or 0))
        since_ms = now_ms if message.parked_ms is None else message.parked_ms
        left_ms = self.unknown_actor_ms - (now_ms - since_ms)
        if left_ms <= 0:
            self._bury_unknown(message)
            return
        if message.parked_ms is None:
            logger.warning("No actor %r here yet: message %s is parked.", message.actor_name, message.message_id)
        delay_ms = min(left_ms, park_ms(now_ms - since_ms))
        send = Send(waiting_id(message.message_id, mark_of(message.entry_id)), delay_ms, parked_ms=since_ms)
        self.holding.add(Settlement(message.entry_id, [send]))

    def _bury_unknown(self, message: StreamMessage) -> None:
        logger.error("No actor %r came for message %s: dead-lettered.", message.actor_name, message.message_id)
        message.stuff_exception(ActorNotFound(message.actor_name))  # type: ignore[no-untyped-call]  # theirs
        message.fail()
        # Whoever waits for a result must hear of it, and no worker will tell.
        try:
            self.broker.emit_before("nack", message)
        finally:
            self.holding.add(settlement(message, dead.letter(message, dead.UNKNOWN_ACTOR)))
        self.broker.emit_after("nack", message)

    # Settling and handing back.

    def _finish(self, message: MessageProxy, letter: dead.DeadLetter | None) -> None:
        if not isinstance(message, StreamMessage):
            raise TypeError(f"{message!r} was not fetched by this broker")
        message.settled = True
        finished = self.holding.finish(message, settlement(message, letter))
        if not finished and not message.cancelled:
            logger.warning("Message %s is not held any more: nothing done.", message.message_id)
        if not message.followed and not self.holding.attended:
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


def _texts(fields: list[bytes] | dict[bytes, bytes]) -> list[bytes]:
    # A cluster's client makes dicts of them.
    return [text for pair in fields.items() for text in pair] if isinstance(fields, dict) else fields


def _number(text: bytes | None) -> int | None:
    return None if text is None else int(text)
