"""Dead letters for operators: read them, put them back on their queue, throw them away.

A letter is replayed in one step: it is in the queue and no longer dead, or nothing was changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dramatiq.errors import ConnectionClosed
from dramatiq.message import Message

from broker import client as clients
from broker import keys, listing, scripts
from broker.calls import Text
from broker.errors import translated
from broker.listing import Page
from broker.registry import Registry

#: How many letters are looked through for one page at most.
_LOOKED_THROUGH = 1_000

#: How many letters are read, and how many bytes replayed, at a time.
_CHUNK = 100
_CHUNK_BYTES = 1 << 20

#: The greatest number in an entry id.
_LAST = 2**64 - 1

#: Options that a message gets when it fails, and is replayed without.
_FAILURE = ("retries", "traceback", "requeue_timestamp")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. Times are in ms since 1970 by Redis's clock. What a letter does not say is empty."""

    id: str
    #: "failed", "poison", "undecodable" or "unknown_actor".
    reason: str
    error: str
    traceback: str
    actor: str
    message_id: str
    retries: int
    #: The mark of its lane.
    lane: str
    enqueued_ms: int
    died_ms: int
    #: None when the bytes are no message.
    message: Message[Any] | None
    raw: bytes

    @property
    def size(self) -> int:
        """Return how many bytes of text it has."""
        return len(self.raw) + len(self.error) + len(self.traceback)


class Letters:
    """The dead letters of one namespace, over a client that gives bytes. All methods raise BrokerConnectionError."""

    def __init__(self, client: Any, namespace: str = "") -> None:
        self._client = clients.undecoded(client)
        self._namespace = namespace
        self._registry = Registry(self._client, namespace)

    def dead(
        self,
        queue: str,
        cursor: str | None = None,
        limit: int = 50,
        *,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Page[Letter]:
        """Return dead letters, the latest first. Raises ValueError for a cursor of another kind."""
        if cursor is not None and not listing.is_entry_id(cursor):
            raise ValueError(f"no cursor of dead letters: {cursor!r}")
        found: list[Letter] = []
        limit, looked = listing.clamped(limit), 0
        while looked < _LOOKED_THROUGH:
            size = min(limit, _CHUNK)
            with translated():
                entries = self._client.xrevrange(self._key(queue), f"({cursor}" if cursor else "+", "-", count=size)
            for entry_id, fields in entries:
                cursor = entry_id.decode()
                letter = _letter(cursor, fields)
                if _fits(letter, actor, reason):
                    found.append(letter)
                    if len(found) == limit:
                        return Page(tuple(found), cursor)
            looked += size
            if len(entries) < size:
                return Page(tuple(found), None)
        return Page(tuple(found), cursor)

    def letter(self, queue: str, id: str) -> Letter | None:
        """Return the dead letter, or None when it is not there any more."""
        return next(self._each(queue, [id]), None)

    def replay(self, queue: str, ids: Iterable[str], *, rate_per_s: float | None = None) -> int:
        """Put these letters back on their queue, at most so many a second; return how many were still there.

        A replayed message is new but for its id: no retries, no traceback, its age beginning now. Its option
        `replayed_from` is the letter's id. Bytes that are no message are sent as they are. A queue without memory
        for more raises BrokerConnectionError; what was replayed until then stays so.
        """
        return self._replay(queue, self._each(queue, ids), rate_per_s)

    def replay_all(
        self, queue: str, *, actor: str | None = None, reason: str | None = None, rate_per_s: float | None = None
    ) -> int:
        """Put all letters that are dead now, or those of an actor or a reason, back on their queue, the oldest first.

        Those that die again meanwhile are not replayed again. Else as `replay`.
        """
        letters = (letter for letter in self._all(queue) if _fits(letter, actor, reason))
        return self._replay(queue, letters, rate_per_s)

    def purge(self, queue: str, ids: Iterable[str]) -> int:
        """Delete these letters for good; return how many were still there."""
        known = [id for id in ids if listing.is_entry_id(id)]
        with translated():
            return sum(
                int(scripts.PURGE(self._client, self._both(queue), [1, "", *known[first : first + _CHUNK]]))
                for first in range(0, len(known), _CHUNK)
            )

    def purge_all(self, queue: str, *, older_than_ms: int = 0) -> int:
        """Delete all letters, or those that died longer ago than that, for good; return how many."""
        purged = 0
        with translated():
            now_ms = scripts.NOW(self._client, self._both(queue)[:1], [])
            last = f"{now_ms - older_than_ms}-{_LAST}"
            while step := int(scripts.PURGE(self._client, self._both(queue), [_CHUNK, last])):
                purged += step
        return purged

    # Steps.

    def _key(self, queue: str) -> str:
        return keys.queue(self._namespace, queue).dead

    def _both(self, queue: str) -> tuple[str, str]:
        found = keys.queue(self._namespace, queue)
        return (found.dead, found.dead_bytes)

    def _each(self, queue: str, ids: Iterable[str]) -> Iterator[Letter]:
        for id in ids:
            if not listing.is_entry_id(id):
                continue
            with translated():
                entries = self._client.xrange(self._key(queue), id, id)
            for entry_id, fields in entries:
                yield _letter(entry_id.decode(), fields)

    def _all(self, queue: str) -> Iterator[Letter]:
        with translated():
            newest = self._client.xrevrange(self._key(queue), count=1)
        last, start = (newest[0][0].decode(), "-") if newest else ("", "")
        while start:
            with translated():
                entries = self._client.xrange(self._key(queue), start, last, count=_CHUNK)
            for entry_id, fields in entries:
                yield _letter(entry_id.decode(), fields)
            start = f"({entries[-1][0].decode()}" if len(entries) == _CHUNK else ""

    def _replay(self, queue: str, letters: Iterator[Letter], rate_per_s: float | None) -> int:
        if rate_per_s is not None and rate_per_s <= 0:
            raise ValueError("rate_per_s must be more than 0")
        most = _CHUNK if rate_per_s is None else max(1, min(_CHUNK, int(rate_per_s / 10)))
        replayed, began_at = 0, time.monotonic()
        for chunk in _chunks(letters, most):
            if rate_per_s is not None:
                time.sleep(max(0.0, began_at + replayed / rate_per_s - time.monotonic()))
            replayed += self._send(queue, chunk)
        return replayed

    def _send(self, queue: str, letters: list[Letter]) -> int:
        found = keys.queue(self._namespace, queue)
        arguments: list[Text] = []
        for letter in letters:
            arguments += (letter.id, found.lanes.index(found.lane(_mark(letter))), _renewed(letter))
        with translated():
            replayed, refused = scripts.REPLAY(self._client, [found.dead, found.dead_bytes, *found.lanes], arguments)
        self._registry.note(queue)
        if refused:
            raise ConnectionClosed(f"{replayed} letters replayed, then: {listing.text(refused)}")  # type: ignore[no-untyped-call]  # theirs
        return int(replayed)


def _letter(id: str, fields: Mapping[bytes, bytes]) -> Letter:
    texts = {listing.text(name): value for name, value in fields.items()}

    def text(name: str) -> str:
        return listing.text(texts.get(name, b""))

    def number(name: str) -> int:
        return int(found) if (found := text(name)).isdecimal() else 0

    raw = texts.get("message", b"")
    return Letter(
        id=id,
        reason=text("reason"),
        error=text("error"),
        traceback=text("traceback"),
        actor=text("actor"),
        message_id=text("message_id"),
        retries=number("retries"),
        lane=text("lane"),
        enqueued_ms=number("enqueued_ms"),
        died_ms=number("died_ms"),
        message=listing.decoded(raw),
        raw=raw,
    )


def _fits(letter: Letter, actor: str | None, reason: str | None) -> bool:
    return (actor is None or letter.actor == actor) and (reason is None or letter.reason == reason)


def _mark(letter: Letter) -> str:
    return letter.lane if letter.lane in dict(listing.LANES) else keys.DEFAULT


def _renewed(letter: Letter) -> bytes:
    """Return the message as if it had never failed."""
    if letter.message is None:
        return letter.raw
    options = {name: value for name, value in letter.message.options.items() if name not in _FAILURE}
    options["replayed_from"] = letter.id
    message = replace(letter.message, options=options, message_timestamp=int(time.time() * 1000))
    encoded: bytes = message.encode()
    return encoded


def _chunks(letters: Iterator[Letter], most: int) -> Iterator[list[Letter]]:
    chunk: list[Letter] = []
    for letter in letters:
        chunk.append(letter)
        if len(chunk) == most or sum(len(one.raw) for one in chunk) >= _CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
