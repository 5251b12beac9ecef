"""The lease keeper: one thread a process, which renews the leases of what the process holds.

An entry whose lease is not renewed is taken over by another worker, so a crash is noticed within a lease
however long tasks take. A task past its time limit is let go, or a hung thread would hold it for ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dramatiq.errors import BrokerConnectionError

from broker import scripts
from broker.client import disconnect
from broker.errors import translated
from broker.holding import Holding
from broker.keys import GROUP
from broker.message import StreamMessage
from broker.turns import Turns

logger = logging.getLogger(__name__)

#: Leases are renewed when they would be older than this share before the next look.
_RENEW_SHARE = 0.5

#: When nothing else did, the keeper tells Redis that the consumer lives after this share of a lease.
_ALIVE_SHARE = 0.5

#: How many looks in a lease.
_LOOKS = 6

#: How many leases one script renews.
_CHUNK = 500

#: A reader that has not heard from Redis for this long, outages apart, has its connection cut.
_DEAF_S = 30.0


class Keeper:
    """Renews, lets go of what hangs, settles what nobody else settled, and frees a reader that is stuck."""

    def __init__(
        self,
        holdings: Callable[[], list[Holding]],
        turns: Turns,
        *,
        lease_ms: int,
        limit_ms: Callable[[StreamMessage], float],
        on_start: Callable[[], None],
        on_cancelled: Callable[[StreamMessage], None],
    ) -> None:
        self.holdings = holdings
        self.turns = turns
        self.lease_s = lease_ms / 1000
        self.limit_ms = limit_ms
        self.on_start = on_start
        self.on_cancelled = on_cancelled
        self._tick_s = min(1.0, self.lease_s / _LOOKS)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """The thread runs. It ends by itself when no consumer is open and nothing is held."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stopped.clear()
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """The thread has ended, or will when Redis answers."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(self._tick_s * 2)

    def _run(self) -> None:
        self.on_start()
        while not self._stopped.wait(self._tick_s):
            for holding in self.holdings():
                try:
                    self.look(holding)
                except BrokerConnectionError as error:
                    self.turns.outage.note(error)
                except Exception:
                    # Whatever it is, the other leases must be kept.
                    logger.exception("Looking after queue %s failed.", holding.queue)
            with self._lock:
                if all(holding.empty and not holding.open for holding in self.holdings()):
                    self._thread = None
                    return

    def look(self, holding: Holding) -> None:
        """All leases of a queue that need it are renewed. Raises BrokerConnectionError."""
        now = time.monotonic()
        renewable, hung = [], []
        for message in holding.held():
            if message.started_at is not None and (now - message.started_at) * 1000 > self.limit_ms(message):
                hung.append(message)
            elif now - message.leased_at >= self.lease_s * _RENEW_SHARE - self._tick_s:
                renewable.append(message)
        self._let_go(holding, hung)
        for first in range(0, len(renewable), _CHUNK):
            self._renew(holding, renewable[first : first + _CHUNK])
        if now - holding.heard_at > self._tick_s:
            self.turns.settle(holding)
        self._heed(holding)
        if holding.open and now - holding.alive_at > self.lease_s * _ALIVE_SHARE:
            self._tell(holding)
        self._unstick(holding, now)

    def _tell(self, holding: Holding) -> None:
        # Without a first turn there is no consumer yet, and Redis's clock is not known.
        if holding.clock_ms is None:
            return
        now = time.monotonic()
        ends_ms = int(now * 1000 + holding.clock_ms + self.lease_s * 1000)
        with translated():
            holding.client.zadd(holding.keys.alive, {self.turns.consumer: ends_ms})
        holding.alive_at = now

    def _renew(self, holding: Holding, messages: list[StreamMessage]) -> None:
        now = time.monotonic()
        by_id = {message.entry_id: message for message in messages}
        with translated():
            lost = scripts.RENEW(holding.client, holding.keys.all, [GROUP, self.turns.consumer, *by_id])
        for message in messages:
            message.leased_at = now
        for entry_id in lost:
            # It may have been settled between: then it is not held, and nothing was lost.
            if holding.forget(by_id[entry_id]):
                logger.warning("The lease of message %s was lost: it runs elsewhere.", by_id[entry_id].message_id)

    def _heed(self, holding: Holding) -> None:
        """What was cancelled is no longer held, and whoever runs it has been told."""
        held = {message.entry_id: message for message in holding.held()}
        if not held:
            return
        with translated():
            names = holding.client.zrange(holding.keys.cancelled, 0, -1)
        for message in [held[name] for name in names if name in held]:
            if holding.forget(message):
                message.cancelled = True
                self.on_cancelled(message)

    def _let_go(self, holding: Holding, messages: list[StreamMessage]) -> None:
        hung = [message for message in messages if holding.forget(message)]
        for message in hung:
            logger.error("Message %s hangs past its time limit: offered to others.", message.message_id)
        self.turns.hand_back(holding, [message.entry_id for message in hung], started=True)

    def _unstick(self, holding: Holding, now: float) -> None:
        if not holding.open or now - holding.heard_at < _DEAF_S or self.turns.outage.lasts:
            return
        logger.critical("Queue %s has not been read for %.0f s: connecting anew.", holding.queue, _DEAF_S)
        holding.heard_at = now
        disconnect(holding.client)
