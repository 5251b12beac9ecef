"""The monitor: middleware that writes down how attempts end, and counts what happens to messages.

It never blocks or fails an actor. What happens is noted in bounded memory and written to Redis by a thread, once a
second; when Redis is away or the memory is full, notes are dropped, and counted.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref
from collections import Counter, deque
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.message import Message
from dramatiq.middleware import Middleware

from broker import scripts
from broker.attempts import CANCELLED, DEAD, DONE, FAILED, RETRIED, Attempt, error_type, fingerprint
from broker.calls import Text
from broker.cancel import Cancelled
from broker.client import twin, undecoded
from broker.keys import Keys, queue
from broker.message import StreamMessage
from broker.outage import Outage

#: How often the thread writes, in seconds.
_INTERVAL_S = 1.0

#: The thread ends when there was nothing to write so often.
_IDLE_ROUNDS = 10

#: Counts are kept by so many names (queue, minute, event, actor) until they are written.
_MAX_COUNTS = 10_000

#: How many attempts one script writes, each of 20 texts.
_CHUNK = 100

#: How long the counts of a minute are kept, in seconds.
RATES_S = 2 * 60 * 60

#: How long an attempt is kept, and how many of a queue.
ATTEMPTS_MS = 24 * 60 * 60 * 1000
ATTEMPTS = 10_000


class Monitor(Middleware):
    """Writes down attempts and counts events, for `broker.inspector.Inspector`.

    Add it last. `client` and `namespace` are those of the broker unless given. Of attempts that succeed, at most
    `buffer` a second are written down, and of others as many; counts are of all.
    """

    def __init__(self, client: Any = None, namespace: str | None = None, *, buffer: int = 500) -> None:
        #: How many notes were dropped in this process.
        self.dropped = 0
        self._client = None if client is None else twin(undecoded(client))
        self._namespace = namespace
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._buffer = buffer
        self._outage = Outage()
        self._reset()
        reference = weakref.ref(self)

        def renew() -> None:
            forked = reference()
            if forked is not None:
                forked._reset()

        os.register_at_fork(after_in_child=renew)

    def _reset(self) -> None:
        """Nothing is noted; a forked process begins so."""
        self._pid = os.getpid()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._counts: Counter[tuple[str, int, str]] = Counter()
        self._good: deque[tuple[str, Attempt]] = deque()
        self._bad: deque[tuple[str, Attempt]] = deque()
        #: Ids of messages that are being processed here, and the thread that does.
        self._live: dict[str, int] = {}
        #: What runs, and what has ended and is not settled yet, by the message's identity.
        self._running: dict[int, _Run] = {}
        self._ended: dict[int, _Run] = {}
        self._thread: threading.Thread | None = None

    # Hooks.

    def after_enqueue(self, broker: dramatiq.Broker, message: Message[Any], delay: int | None) -> None:
        """It is counted. What is enqueued again by the thread that processes it is no new message.

        Another thread may have sent it a moment ago, and a worker may have begun it already.
        """
        if self._live.get(message.message_id) != threading.get_ident():
            self._count(broker, message, "enqueued")

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Its clock runs."""
        retries = message.options.get("retries")
        self._live[message.message_id] = threading.get_ident()
        self._running[id(message)] = _Run(retries if isinstance(retries, int) else 0)
        self._count(broker, message, "started")

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Its clock stands. What becomes of it is known when it is acknowledged."""
        run = self._running.pop(id(message), None)
        if run is not None:
            run.duration_ms = (time.monotonic() - run.clock) * 1000
            if exception is not None:
                run.error, run.fingerprint = error_type(exception), fingerprint(exception)
            self._ended[id(message)] = run

    def after_skip_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """It was no attempt."""
        self._running.pop(id(message), None)

    def after_ack(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """The attempt is noted."""
        run = self._end(message)
        if run is not None:
            outcome = DONE if not run.error else RETRIED if getattr(message, "sends", None) else FAILED
            self._count(broker, message, outcome)
            self._note(message, outcome, run)

    def after_nack(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """That the message is dead, or was cancelled, is noted, and the attempt, if there was one."""
        run = self._end(message)
        cancelled = isinstance(message._exception, Cancelled) or getattr(message, "cancelled", False)
        # Whoever cancels it says so at once; a worker that holds it hears of it later.
        if not (cancelled and isinstance(message, StreamMessage)):
            self._count(broker, message, CANCELLED if cancelled else DEAD)
        if run is not None:
            self._note(message, CANCELLED if cancelled else DEAD, run)

    def after_undecodable(self, broker: dramatiq.Broker, queue_name: str) -> None:
        """That an entry of the queue is no message, and dead, is counted for the actor "": nobody knows its own."""
        self._add(broker, queue_name, f"{DEAD} ")

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """All that was noted is written, if Redis is there."""
        self.flush()

    # Notes.

    def _count(self, broker: Any, message: Any, event: str) -> None:
        self._add(broker, str(message.queue_name), f"{event} {message.actor_name}")

    def _add(self, broker: Any, queue_name: str, event: str) -> None:
        self._adopt(broker)
        name = (queue_name, int(time.time()) // 60, event)
        with self._lock:
            if name in self._counts or len(self._counts) < _MAX_COUNTS:
                self._counts[name] += 1
            else:
                self.dropped += 1
            self._wake()

    def _end(self, message: MessageProxy) -> _Run | None:
        self._live.pop(message.message_id, None)
        return self._ended.pop(id(message), None)

    def _note(self, message: MessageProxy, outcome: str, run: _Run) -> None:
        notes = self._good if outcome == DONE else self._bad
        # The bound may be passed by a few, as it is looked at without the lock: that costs less than the lock.
        if len(notes) >= self._buffer:
            self.dropped += 1
            return
        attempt = Attempt(
            message_id=str(message.message_id),
            actor=str(message.actor_name),
            outcome=outcome,
            started_ms=run.started_ms,
            duration_ms=run.duration_ms,
            retries=run.retries,
            host=self._host,
            pid=self._pid,
            error=run.error,
            fingerprint=run.fingerprint,
        )
        notes.append((str(message.queue_name), attempt))

    def _adopt(self, broker: Any) -> None:
        if self._client is None:
            self._client = twin(broker.client)
        if self._namespace is None:
            self._namespace = broker.namespace

    # Writing.

    def flush(self) -> None:
        """All that was noted is written to Redis, or dropped and counted when it cannot be."""
        with self._writing:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        attempts: dict[str, list[Attempt]] = {}
        for notes in (self._good, self._bad):
            for _ in range(len(notes)):
                name, attempt = notes.popleft()
                attempts.setdefault(name, []).append(attempt)
        # An attempt may have been noted a moment after its count was written.
        minutes: dict[tuple[str, int], list[str | int]] = {(name, int(time.time()) // 60): [] for name in attempts}
        for (name, minute, event), number in counts.items():
            minutes.setdefault((name, minute), []).extend((event, number))
        for (name, minute), texts in minutes.items():
            self._try(name, minute, texts, attempts.pop(name, []))

    def _try(self, name: str, minute: int, counts: list[str | int], attempts: list[Attempt]) -> None:
        try:
            self._write(queue(self._namespace or "", name), minute, counts, attempts)
        except Exception as error:
            self._outage.note(error)
            self.dropped += len(counts) // 2 + len(attempts)
        else:
            self._outage.over()

    def _write(self, keys: Keys, minute: int, counts: list[str | int], attempts: list[Attempt]) -> None:
        bounds = [RATES_S, ATTEMPTS_MS, ATTEMPTS]
        for first in range(0, max(1, len(attempts)), _CHUNK):
            arguments: list[Text] = [*bounds, len(counts) // 2, *counts]
            counts = []
            for attempt in attempts[first : first + _CHUNK]:
                texts = attempt.texts()
                arguments += (len(texts), *texts)
            scripts.RECORD(self._client, [keys.totals, keys.rates(minute), keys.attempts], arguments)

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(_INTERVAL_S)
            idle = 0 if self._counts else idle + 1
            self.flush()
            with self._lock:
                if idle >= _IDLE_ROUNDS and not self._counts:
                    # Whoever notes something from here on makes a thread of its own.
                    self._thread = None
                    return


class _Run:
    """One run of an actor, while it lasts and until it is settled."""

    __slots__ = ("clock", "duration_ms", "error", "fingerprint", "retries", "started_ms")

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self.started_ms = int(time.time() * 1000)
        self.clock = time.monotonic()
        self.duration_ms = 0.0
        self.error = ""
        self.fingerprint = ""
