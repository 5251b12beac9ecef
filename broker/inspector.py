"""The inspector: what is in the queues, who works on it, and how it goes. It only reads.

Each question is one script or a page by cursor, so that none becomes slower as queues grow. Ages are by Redis's clock.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from broker import attempts as attempt
from broker import client as clients
from broker import keys, listing, scripts
from broker.attempts import Attempt
from broker.errors import translated
from broker.keys import GROUP, SHELF, WAKE, Keys
from broker.listing import LANES, Listed, Page
from broker.registry import Registry

#: How many of the messages that a worker holds are shown.
_SHOWN = 10

#: How many attempts are looked through for one page at most.
_LOOKED_THROUGH = 2_000

#: What a monitor counts, in the order in which they happen to a message.
EVENTS = ("enqueued", "started", "done", "retried", "failed", "dead", "cancelled")

_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """One moment of a queue. In-flight messages are those that a worker has fetched, running or not."""

    name: str
    waiting: int
    in_flight: int
    delayed: int
    dead: int
    paused: bool
    #: Entries of each lane, in flight or not.
    lanes: dict[str, int]
    #: How long the oldest waiting message has been waiting, in ms; None when none waits.
    oldest_ms: int | None
    #: Until the next delayed message is due, in ms (never negative); None when none is delayed.
    due_ms: int | None
    #: How many entries were ever added; None before Redis 7.0.
    added: int | None
    #: Messages enqueued and ended per second of late; None where no monitor writes them down.
    in_rate: float | None
    out_rate: float | None


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One process that consumes one queue."""

    consumer: str
    queue: str
    host: str
    pid: int | None
    #: How many messages it has fetched, running or not.
    in_flight: int
    #: The oldest of them.
    messages: tuple[Listed, ...]
    #: How long its lease lasts unless it is renewed, in ms; negative when it ran out, None when it has none.
    lease_ms: int | None
    #: How long ago it last fetched or settled something (before Redis 7.2: fetched), in ms; None when it never did.
    idle_ms: int | None

    @property
    def alive(self) -> bool:
        """Whether its lease lasts."""
        return self.lease_ms is not None and self.lease_ms > 0


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened to a queue's messages in so many seconds, by actor and event (see `EVENTS`)."""

    seconds: float
    actors: dict[str, dict[str, int]] = field(default_factory=dict)

    def number(self, event: str) -> int:
        """Return how often it happened, over all actors."""
        return sum(counts.get(event, 0) for counts in self.actors.values())


class Inspector:
    """Looks at the queues of one namespace, over a client that gives bytes. All methods raise BrokerConnectionError."""

    def __init__(self, client: Any, namespace: str = "") -> None:
        self._client = clients.undecoded(client)
        self._namespace = namespace
        self._registry = Registry(self._client, namespace)

    def names(self) -> list[str]:
        """Return the names of all queues that were ever sent to or consumed."""
        with translated():
            return self._registry.names()

    def queues(self) -> list[QueueStatus]:
        """Return the status of every queue, by name."""
        return [self.queue(name) for name in self.names()]

    def queue(self, name: str) -> QueueStatus:
        """Return the status of a queue; one that was never used is empty."""
        queue = self._keys(name)
        with translated():
            now_ms, delayed, due_ms, dead, paused, lanes = scripts.STATUS(
                self._client, [queue.delayed, queue.dead, queue.paused, *queue.lanes], [GROUP, SHELF]
            )
        rates = self.rates(name)
        in_flight = sum(lane[1] for lane in lanes)
        births = [listing.born_ms(lane[2]) for lane in lanes if lane[2]]
        return QueueStatus(
            name=name,
            waiting=sum(lane[0] for lane in lanes) - in_flight,
            in_flight=in_flight,
            delayed=delayed,
            dead=dead,
            paused=bool(paused),
            lanes={lane: counts[0] for (_, lane), counts in zip(LANES, lanes, strict=True)},
            oldest_ms=max(0, now_ms - min(births)) if births else None,
            due_ms=max(0, due_ms - now_ms) if due_ms >= 0 else None,
            added=None if any(lane[3] < 0 for lane in lanes) else sum(lane[3] for lane in lanes),
            in_rate=None if rates is None else rates.number("enqueued") / rates.seconds,
            out_rate=None if rates is None else (sum(map(rates.number, ("done", "dead", "cancelled")))) / rates.seconds,
        )

    def workers(self, queue: str | None = None) -> list[WorkerStatus]:
        """Return the workers of a queue, or of all queues: those that run, and those that left messages behind."""
        found = []
        for name in self.names() if queue is None else [queue]:
            found += self._workers(name)
        return found

    # Messages.

    def peek(self, queue: str, cursor: str | None = None, limit: int = 50) -> Page[Listed]:
        """Return messages that wait or are in flight, lane by lane, the oldest first.

        Raises ValueError for a cursor of another kind.
        """
        streams = self._keys(queue).lanes
        lane, after = (0, "") if cursor is None else _entry_cursor(cursor)
        found: list[Listed] = []
        limit = listing.clamped(limit)
        while lane < len(streams) and len(found) < limit:
            start = f"({after}" if after else "-"
            now_ms, entries = self._page(streams[lane], start, want := limit - len(found))
            found += (_listed(entry, LANES[lane], now_ms) for entry in entries if WAKE not in entry[1][::2])
            lane, after = (lane, entries[-1][0].decode()) if len(entries) == want else (lane + 1, "")
        return Page(tuple(found), f"{lane}:{after}" if lane < len(streams) else None)

    def delayed(self, queue: str, cursor: str | None = None, limit: int = 50) -> Page[Listed]:
        """Return delayed messages, the next due first. Raises ValueError for a cursor of another kind."""
        found = self._keys(queue)
        due_ms, _, after = (cursor or "0:").partition(":")
        if not due_ms.isdigit() or (cursor and not after):
            raise ValueError(f"no cursor of delayed messages: {cursor!r}")
        limit = listing.clamped(limit)
        with translated():
            now_ms, page = scripts.UPCOMING(
                self._client, [found.delayed, found.bodies], [after.encode("utf-8", "surrogateescape"), due_ms, limit]
            )
        items = tuple(_waiting(one[0], one[2], one[1] - now_ms) for one in page)
        last = f"{page[-1][1]}:{page[-1][0].decode('utf-8', 'surrogateescape')}" if len(page) == limit else None
        return Page(items, last)

    def message(self, queue: str, id: str) -> Listed | None:
        """Return the message that a page listed under the id, or None when it is not there any more."""
        lane, entry_id = listing.split(id)
        if listing.is_entry_id(entry_id):
            now_ms, entries = self._page(self._keys(queue).lanes[lane], entry_id, 1)
            found = [entry for entry in entries if entry[0].decode() == entry_id]
            return _listed(found[0], LANES[lane], now_ms) if found else None
        return self._waiting_message(self._keys(queue), id.encode("utf-8", "surrogateescape"))

    # What happened.

    def attempts(
        self,
        queue: str,
        cursor: str | None = None,
        limit: int = 50,
        *,
        actor: str | None = None,
        message_id: str | None = None,
        outcome: str | None = None,
    ) -> Page[Attempt]:
        """Return attempts that a monitor wrote down, the latest first.

        Raises ValueError for a cursor of another kind.
        """
        if cursor is not None and not listing.is_entry_id(cursor):
            raise ValueError(f"no cursor of attempts: {cursor!r}")
        found: list[Attempt] = []
        limit, looked = listing.clamped(limit), 0
        while len(found) < limit and looked < _LOOKED_THROUGH:
            with translated():
                entries = self._client.xrevrange(
                    self._keys(queue).attempts, max=f"({cursor}" if cursor else "+", count=limit
                )
            for entry_id, fields in entries:
                cursor = entry_id.decode()
                one = attempt.parse(fields or {})
                if one is not None and _fits(one, actor, message_id, outcome):
                    found.append(one)
                    if len(found) == limit:
                        return Page(tuple(found), cursor)
            looked += len(entries)
            if len(entries) < limit:
                return Page(tuple(found), None)
        return Page(tuple(found), cursor)

    def rates(self, queue: str, minutes: int = 1) -> Rates | None:
        """Return what happened in so many full minutes and the present one; None where no monitor wrote anything."""
        found = self._keys(queue)
        with translated():
            if not self._client.hlen(found.totals):
                return None
            # The minutes are those of the workers' clocks, which are as good as ours.
            now_s = time.time()
            this = int(now_s) // _MINUTE_S
            counts: Counter[str] = Counter()
            for minute in range(this - minutes, this + 1):
                counts.update(_counts(self._client.hgetall(found.rates(minute))))
        return Rates(minutes * _MINUTE_S + now_s % _MINUTE_S, _by_actor(counts))

    def totals(self, queue: str) -> dict[str, dict[str, int]]:
        """Return what ever happened, by actor and event, as far as monitors wrote it down."""
        with translated():
            return _by_actor(_counts(self._client.hgetall(self._keys(queue).totals)))

    # Steps.

    def _keys(self, queue: str) -> Keys:
        return keys.queue(self._namespace, queue)

    def _page(self, stream: str, start: str, size: int) -> tuple[int, list[Any]]:
        with translated():
            now_ms, entries = scripts.PEEK(self._client, [stream], [GROUP, SHELF, start, size])
        return now_ms, entries

    def _waiting_message(self, queue: Keys, waiting_id: bytes) -> Listed | None:
        with translated():
            due_ms = self._client.zscore(queue.delayed, waiting_id)
            raw = self._client.hget(queue.bodies, waiting_id)
            now_ms = scripts.NOW(self._client, [queue.delayed], [])
        return None if due_ms is None else _waiting(waiting_id, raw or b"", int(due_ms) - now_ms)

    def _workers(self, name: str) -> list[WorkerStatus]:
        queue = self._keys(name)
        with translated():
            now_ms, leases, found = scripts.WORKERS(self._client, [queue.alive, *queue.lanes], [GROUP, SHELF, _SHOWN])
        ends = dict(zip(leases[::2], leases[1::2], strict=True))
        known: dict[bytes, list[Any]] = {consumer: [] for consumer in ends} | {one[1]: [] for one in found}
        for one in found:
            known[one[1]].append(one)
        return [_worker(name, consumer, now_ms, ends.get(consumer), known[consumer]) for consumer in sorted(known)]


def _worker(queue: str, consumer: bytes, now_ms: int, lease_end: bytes | None, lanes: list[Any]) -> WorkerStatus:
    host, _, rest = listing.text(consumer).rpartition(":")[0].rpartition(":")
    messages = [
        _listed([*entry, consumer], LANES[lane], now_ms)
        for lane, _, _, _, held in sorted(lanes, key=lambda one: int(one[0]))
        for entry in held
        if entry
    ]
    return WorkerStatus(
        consumer=listing.text(consumer),
        queue=queue,
        host=host,
        pid=int(rest) if rest.isascii() and rest.isdigit() else None,
        in_flight=sum(lane[2] for lane in lanes),
        messages=tuple(messages[:_SHOWN]),
        lease_ms=None if lease_end is None else int(float(lease_end)) - now_ms,
        idle_ms=min((lane[3] for lane in lanes), default=None),
    )


def _listed(entry: list[Any], lane: tuple[str, str], now_ms: int) -> Listed:
    entry_id, texts, holder = entry
    raw = listing.body(listing.fields(texts))
    return Listed(
        id=listing.name(lane[0], entry_id),
        state="in_flight" if holder else "waiting",
        lane=lane[1],
        message=listing.decoded(raw),
        raw=raw,
        age_ms=max(0, now_ms - listing.born_ms(entry_id)),
        held_by=listing.text(holder) if holder else None,
    )


def _waiting(waiting_id: bytes, raw: bytes, due_ms: int) -> Listed:
    name = waiting_id.decode("utf-8", "surrogateescape")
    mark = name.rpartition(":")[2]
    lane = dict(LANES).get(mark, "default")
    message = listing.decoded(raw)
    return Listed(id=name, state="delayed", lane=lane, message=message, raw=raw, due_ms=max(0, due_ms))


def _entry_cursor(cursor: str) -> tuple[int, str]:
    lane, _, after = cursor.partition(":")
    if lane not in ("0", "1", "2") or (after and not listing.is_entry_id(after)):
        raise ValueError(f"no cursor of messages: {cursor!r}")
    return int(lane), after


def _fits(one: Attempt, actor: str | None, message_id: str | None, outcome: str | None) -> bool:
    wanted = ((actor, one.actor), (message_id, one.message_id), (outcome, one.outcome))
    return all(want is None or want == is_ for want, is_ in wanted)


def _counts(counts: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(errors="replace"): int(number) for name, number in counts.items()}


def _by_actor(counts: dict[str, int]) -> dict[str, dict[str, int]]:
    actors: dict[str, dict[str, int]] = {}
    for name, number in counts.items():
        event, _, actor = name.partition(" ")
        actors.setdefault(actor, {})[event] = number
    return actors
