"""The hub: one reader of the response streams per web process, which wakes the requests that wait in it.

A waiter registers, reads, waits, reads again, in that order: an answer that arrives between two of the steps is seen by
the next one. Most notices bring the answer along, and the hub keeps the latest for a while: then there is nothing to
read in the database. What is not heard, or was too long to be told, always comes from there.
"""

import os
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import redis
import structlog

from app.models.standings import Standing
from broker.calls import call

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: How long one XREAD waits; it bounds how long `close` takes, not how late a notice is.
BLOCK_MS = 1_000
#: Notices taken in one read, each of a group of requests.
BATCH = 100
#: A waiter looks for himself this often, in case his notice was lost with a worker or with Redis.
RECHECK_S = 5.0
#: The command, without the streams and the places in them.
READ = ("XREAD", "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS")
#: What was heard of so many requests is kept, of a few kilobytes each at most: of more than one read can bring, so that
#: whoever is woken finds it there.
LATEST = 8_192
#: A request that is not heard of for so long after it was accepted may have ended without a word.
PENDING_S = 2.0
#: The pause after a failed read, doubled up to the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


class Hub:
    """Who waits for what in this process, and the thread (a greenlet under gevent) that wakes them."""

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        keys: Sequence[str],
        *,
        heard: Callable[[Collection[UUID]], object] = len,
    ) -> None:
        """A hub for the streams of these keys; `heard` is called with the requests of each notice."""
        self._connect = connect
        self._keys = tuple(keys)
        self._heard = heard
        self._waiting: defaultdict[UUID, set[Watch]] = defaultdict(set)
        #: What was last heard of requests, the oldest first: how they ended, or that they were accepted, and when.
        self._latest: OrderedDict[UUID, bytes | tuple[float, Standing]] = OrderedDict()
        self._pid: int | None = None
        self._stop = threading.Event()
        self._up = threading.Event()
        self.draining = False

    def start(self) -> None:
        """Have a reader running in this very process; further calls change nothing."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._stop = threading.Event()
        self._up = threading.Event()
        threading.Thread(target=self._run, name="hub", args=(self._stop, self._up), daemon=True).start()

    def ready(self, timeout_s: float) -> bool:
        """Return whether the reader has found its place in the streams within `timeout_s`."""
        return self._up.wait(timeout_s)

    def close(self) -> None:
        """Have the reader stop after its present read."""
        self._stop.set()

    def drain(self) -> None:
        """Send every waiter home with the present state, now and from now on: this process is about to end."""
        self.draining = True
        self.wake_all()

    def watch(self, request_id: UUID) -> "Watch":
        """Return a place to wait for the request; it counts as registered inside its `with` block."""
        return Watch(self, request_id)

    def waiters(self) -> int:
        """Return how many are registered now."""
        return sum(len(watches) for watches in list(self._waiting.values()))

    def accepted(self, standing: Standing) -> None:
        """Remember for a moment a request that this process has just accepted, unless more was heard of it by now."""
        if standing.id not in self._latest:
            self._keep(standing.id, (time.monotonic(), standing))

    def ended(self, request_id: UUID) -> Standing | None:
        """Return how the request ended, if that was heard lately; else only the database can tell."""
        known = self._latest.get(request_id)
        if not isinstance(known, bytes):
            return None
        try:
            return Standing.decode(request_id, known)
        except (TypeError, ValueError):  # Told by another release.
            return None

    def expected(self, request_id: UUID) -> Standing | None:
        """Return the request if this process has accepted it a moment ago and has heard no more of it.

        Then its end will be heard, so that whoever waits for it need not look first.
        """
        known = self._latest.get(request_id)
        if not isinstance(known, tuple) or time.monotonic() - known[0] > PENDING_S or self.draining:
            return None
        return known[1]

    def _keep(self, request_id: UUID, known: bytes | tuple[float, Standing]) -> None:
        self._latest[request_id] = known
        if len(self._latest) > LATEST:
            self._latest.popitem(last=False)

    def wake(self, request_id: UUID) -> None:
        """Have everyone who waits for this request look again."""
        for watch in tuple(self._waiting.get(request_id, ())):
            watch.wake()

    def wake_all(self) -> None:
        """Have everyone look again."""
        for request_id in tuple(self._waiting):
            self.wake(request_id)

    def _register(self, watch: "Watch") -> None:
        self._waiting[watch.request_id].add(watch)

    def _forget(self, watch: "Watch") -> None:
        watches = self._waiting[watch.request_id]
        watches.discard(watch)
        if not watches:
            del self._waiting[watch.request_id]

    def _run(self, stop: threading.Event, up: threading.Event) -> None:
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                with closing(self._connect()) as client:
                    self._follow(client, stop, up)
            except redis.RedisError as error:
                if stop.is_set():
                    return
                if pause_s == FIRST_PAUSE_S or up.is_set():  # Once for each outage, not once for each attempt.
                    log.warning("hub.disconnected", error=str(error))
                    pause_s = FIRST_PAUSE_S
                up.clear()
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _follow(self, client: redis.Redis, stop: threading.Event, up: threading.Event) -> None:
        last = self._ends(client)
        self._was_deaf()
        up.set()
        while not stop.is_set():
            reply = call(client, *READ, *self._keys, *(last[key] for key in self._keys))
            if not reply:
                ends = self._ends(client)
                if ends != last:  # Redis was emptied, or its clock went back: our place is no longer in the stream.
                    last = ends
                    self._was_deaf()
                continue
            for key, entries in streams(reply):
                last[key] = entries[-1][0]
                for _, fields in entries:
                    self._hear(fields)
            # Whoever was woken answers first: the next read can wait, and they have waited.
            time.sleep(0)

    def _was_deaf(self) -> None:
        """Whatever was said before this point may not have been heard: everyone looks for himself."""
        self._latest.clear()
        self.wake_all()

    def _hear(self, fields: dict[bytes, bytes]) -> None:
        request_ids: list[UUID] = []
        for name, packed in fields.items():
            try:
                request_id = UUID(bytes=name)
            except ValueError:
                log.warning("hub.unreadable_notice", field=repr(name))
                continue
            if packed:
                self._keep(request_id, packed)
            else:
                self._latest.pop(request_id, None)
            self.wake(request_id)
            request_ids.append(request_id)
        self._heard(request_ids)

    def _ends(self, client: redis.Redis) -> dict[str, bytes | str]:
        return {key: last_id(client, key) for key in self._keys}


class Watch:
    """One waiter. Use as a context manager, entered before whatever causes the answer."""

    def __init__(self, hub: Hub, request_id: UUID) -> None:
        self.request_id = request_id
        self._hub = hub
        self._event = threading.Event()

    def __enter__(self) -> Self:
        self._hub._register(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub._forget(self)

    def wake(self) -> None:
        """Have this waiter look again."""
        self._event.set()

    def until(
        self, read: Callable[[], T | None], *, timeout_s: float, before: Callable[[], object] | None = None
    ) -> T | None:
        """Return what `read` returns once that is not None; None when the time is up or the process is to end.

        `read` is called at least once, and once more after the time is up. `before` is called once, when there is need
        to wait; what it raises ends the wait.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # Cleared before the look, not after: a notice that comes during the look asks for another one.
            self._event.clear()
            over = self._hub.draining or time.monotonic() >= deadline
            answer = read()
            if answer is not None or over:
                return answer
            if before:
                before()
                before = None
            if not self._hub.draining:
                self._event.wait(max(0.0, min(deadline - time.monotonic(), RECHECK_S)))


def streams(reply: Any) -> list[tuple[str, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """Return XREAD's reply as (key, entries) pairs: RESP2 lists them, RESP3 maps them."""
    pairs = reply.items() if isinstance(reply, dict) else reply
    return [(key.decode(), [(name, named(fields)) for name, fields in entries]) for key, entries in pairs if entries]


def named(fields: Any) -> dict[bytes, bytes]:
    """Return the fields of an entry by their names: a cluster's client maps them, Redis lists them."""
    return fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))


def last_id(client: redis.Redis, key: str) -> bytes | str:
    """Return the id that the newest entry of a stream has or had, `0-0` for a stream that is not there."""
    try:
        return client.xinfo_stream(key)["last-generated-id"]  # type: ignore[no-any-return]
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return "0-0"
        raise
