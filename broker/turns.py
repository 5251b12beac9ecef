"""A turn at a queue: one call that settles what is finished, promotes what is due and reads what is new."""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass
from typing import Any

from dramatiq.errors import BrokerConnectionError

from broker import scripts
from broker.calls import Text
from broker.delays import LOOK_MS
from broker.errors import translated
from broker.holding import Holding
from broker.keys import BULK, DEFAULT, GROUP, SHELF, URGENT, mark_of
from broker.message import Settlement
from broker.outage import Outage

logger = logging.getLogger(__name__)

#: How long a settlement that Redis refused (no memory for a retry or a dead letter) waits for another try.
_REFUSED_WAIT_S = 1.0

#: That its consumer lives is noted anew when the last note is older than this share of a lease.
ALIVE_SHARE = 1 / 3

#: How many entries one script renews or hands back.
_CHUNK = 500

#: An entry as Redis gives it: id, and field, value, field, value, …
RawEntry = list[Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn brought."""

    #: Until the next delayed message is due; None when there is none.
    due_ms: int | None
    #: By lanes, the most urgent first: the lane's mark and its entries.
    new: list[tuple[bytes, list[RawEntry]]]
    #: Handed back by others; named, not numbered, and with the starts counted so far, or None, behind the fields.
    retaken: list[RawEntry]
    #: Whether nothing new may be started.
    paused: bool


class Turns:
    """Takes turns in the name of one consumer, and sees that no settlement is lost on the way."""

    def __init__(
        self,
        consumer: bytes,
        outage: Outage,
        *,
        lease_ms: int,
        dead_max_age_ms: int,
        dead_max_number: int,
        dead_max_bytes: int,
    ) -> None:
        self.consumer = consumer
        self.outage = outage
        self.lease_ms = lease_ms
        self.dead_max_age_ms = dead_max_age_ms
        self.dead_max_number = dead_max_number
        self.dead_max_bytes = dead_max_bytes

    def read(self, holding: Holding, want: int) -> Turn:
        """Settle a batch and return at most `want` entries: the reader's turn.

        Raises BrokerConnectionError, and then all settlements are still due and entries may be stranded.
        """
        try:
            # The reader learns here when the next message is due, so nobody needs to be woken.
            return self._take(holding, want, wake_ms=0)
        except BaseException:
            holding.suspect = True
            raise

    def settle(self, holding: Holding, *, wait: bool = False) -> None:
        """Settle all that is due. Never raises for an outage: it is noted, and all that is left stays due.

        When another thread is at it, that one settles this as well, and only who has to `wait` does.
        """
        # Whoever has the seat looks again after leaving it, so nothing is missed that others left meanwhile.
        while holding.ripe and holding.seat.acquire(blocking=wait):
            try:
                self._take(holding, 0, wake_ms=LOOK_MS)
            except BrokerConnectionError as error:
                self.outage.note(error)
                return
            finally:
                holding.seat.release()

    def hand_back(self, holding: Holding, entry_ids: list[bytes], *, started: bool = False) -> None:
        """The entries, as far as they are still ours, go to whoever turns next. Their place is kept.

        Those that were `started`, and never ended, have their starts counted from then on.
        Raises BrokerConnectionError.
        """
        for first in range(0, len(entry_ids), _CHUNK):
            chunk = entry_ids[first : first + _CHUNK]
            try:
                with translated():
                    scripts.HANDBACK(
                        holding.client, holding.keys.all, [GROUP, self.consumer, SHELF, int(started), *chunk]
                    )
            except BaseException:
                # The reader will find those that are still ours and nobody's.
                holding.suspect = True
                raise

    def _take(self, holding: Holding, want: int, *, wake_ms: int) -> Turn:
        batch = holding.take()
        lanes, others = _sorted(batch)
        now = time.monotonic()
        alive_ms = self.lease_ms if now - holding.alive_at > self.lease_ms / 1000 * ALIVE_SHARE else 0
        arguments: list[Text] = [GROUP, self.consumer, SHELF, want, wake_ms]
        arguments += [self.dead_max_age_ms, self.dead_max_number, self.dead_max_bytes, alive_ms]
        arguments += [len(plain) for plain in lanes.values()]
        for mark, plain in lanes.items():
            arguments += [one.entry_id[len(mark) :] for one in plain]
        for settlement in others:
            arguments += settlement.arguments()
        try:
            with translated():
                reply = scripts.TURN(holding.client, holding.keys.all, arguments)
        except BaseException:
            for settlement in batch:
                settlement.doubtful = True
            holding.put_back(batch)
            raise
        now_ms, due_ms, unsettled, new, retaken, paused = reply
        self.outage.over()
        if alive_ms:
            holding.alive_at = now
        holding.clock_ms = now_ms - time.monotonic() * 1000
        holding.done(batch)
        if unsettled:
            ordered = [*itertools.chain(*lanes.values()), *others]
            for number, outcome in zip(unsettled[::2], unsettled[1::2], strict=True):
                self._unsettled(holding, ordered[number - 1], outcome)
        return Turn(due_ms if due_ms >= 0 else None, new, retaken, bool(paused))

    def _unsettled(self, holding: Holding, settlement: Settlement, outcome: int | bytes) -> None:
        if isinstance(outcome, bytes):
            if not settlement.not_before:
                logger.error("Redis refused to settle %r of %s: %r", settlement.entry_id, holding.queue, outcome)
            holding.postpone(settlement, _REFUSED_WAIT_S)
        elif not settlement.doubtful:
            logger.warning(
                "Entry %r of queue %s is no longer ours (its lease ran out, or the queue was flushed): nothing done.",
                settlement.entry_id,
                holding.queue,
            )


def _sorted(batch: list[Settlement]) -> tuple[dict[str, list[Settlement]], list[Settlement]]:
    """Return the plain ones by lanes, the most urgent first, and the others."""
    lanes: dict[str, list[Settlement]] = {URGENT: [], DEFAULT: [], BULK: []}
    others: list[Settlement] = []
    for one in batch:
        (lanes[mark_of(one.entry_id)] if one.plain else others).append(one)
    return lanes, others
