"""Every Redis key of a queue.

The default lane's stream has the queue's own name, and all other keys carry that whole name as their hash tag,
so that a queue lies in one Redis Cluster slot and one script may touch all of it.

An entry is named by its id, and in the other lanes by the lane's mark and its id (`u1690000000000-0`), because
streams number their entries independently. Ids of delayed messages end in their lane's mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

#: The one consumer group of every stream.
GROUP = b"workers"

#: The consumer that holds entries which a worker handed back unstarted, until another takes them.
SHELF = b"handed-back"

#: Entry field: the encoded message.
MESSAGE = b"m"
#: Entry field: since when (Redis's clock, ms) the message waits for a worker that knows its actor.
PARKED = b"p"
#: Entry field: no message, only there to wake a consumer.
WAKE = b"w"

#: Marks of the lanes.
URGENT = "u"
DEFAULT = ""
BULK = "b"
_MARKS = {mark.encode(): mark for mark in (URGENT, BULK)}


@dataclass(frozen=True)
class Keys:
    """The keys of one queue. None expires: each shrinks as messages are finished.

    Raises ValueError for names with braces, which would change the hash tag.
    """

    stream: str

    def __post_init__(self) -> None:
        if "{" in self.stream or "}" in self.stream:
            raise ValueError(f"{self.stream!r}: a queue name or namespace must not contain braces")

    @cached_property
    def urgent(self) -> str:
        """Stream: messages that are started before all others."""
        return "{" + self.stream + "}:urgent"

    @cached_property
    def bulk(self) -> str:
        """Stream: messages that are started when there are no others."""
        return "{" + self.stream + "}:bulk"

    @cached_property
    def lanes(self) -> tuple[str, str, str]:
        """All streams of the queue, the most urgent first."""
        return (self.urgent, self.stream, self.bulk)

    @cached_property
    def delayed(self) -> str:
        """Sorted set: ids of messages that are not due yet, by due time (Redis's clock, ms)."""
        return "{" + self.stream + "}:delayed"

    @cached_property
    def bodies(self) -> str:
        """Hash: encoded messages by the ids in `delayed`."""
        return "{" + self.stream + "}:bodies"

    @cached_property
    def parked(self) -> str:
        """Hash: since when (ms) messages for unknown actors wait, by the ids in `delayed`."""
        return "{" + self.stream + "}:parked"

    @cached_property
    def starts(self) -> str:
        """Hash: how often an entry was started since it was taken over, by the entry's name."""
        return "{" + self.stream + "}:starts"

    @cached_property
    def dead(self) -> str:
        """Stream: dead letters; trimmed by age, number and bytes whenever one is added."""
        return "{" + self.stream + "}:dead"

    @cached_property
    def dead_bytes(self) -> str:
        """String: how many bytes of text the dead letters have."""
        return "{" + self.stream + "}:dead-bytes"

    @cached_property
    def alive(self) -> str:
        """Sorted set: consumers by when their lease ends unless they renew it (Redis's clock, ms)."""
        return "{" + self.stream + "}:alive"

    @cached_property
    def paused(self) -> str:
        """String: there while nothing new may be started."""
        return "{" + self.stream + "}:paused"

    @cached_property
    def unique(self) -> str:
        """Hash: message ids by the uniqueness that they claim."""
        return "{" + self.stream + "}:unique"

    @cached_property
    def unique_until(self) -> str:
        """Sorted set: claims that end with a window and not with their message, by that end (Redis's clock, ms)."""
        return "{" + self.stream + "}:unique-until"

    @cached_property
    def cancelled(self) -> str:
        """Sorted set: names of entries that were cancelled in a worker's hands, by when all have heard of it (ms)."""
        return "{" + self.stream + "}:cancelled"

    @cached_property
    def attempts(self) -> str:
        """Stream: how attempts ended, of late; trimmed by age and number whenever some are added."""
        return "{" + self.stream + "}:attempts"

    @cached_property
    def totals(self) -> str:
        """Hash: how many messages were enqueued, started, …, ever, by `event actor`."""
        return "{" + self.stream + "}:totals"

    def rates(self, minute: int) -> str:
        """Hash: the same for one minute (since 1970); expires."""
        return "{" + self.stream + "}:rates:" + str(minute)

    @cached_property
    def all(self) -> tuple[str, ...]:
        """All that hold messages or say how to treat them, in the order in which scripts take them."""
        return (
            *(self.stream, self.delayed, self.bodies, self.parked, self.starts, self.dead),
            *(self.urgent, self.bulk, self.alive, self.paused, self.dead_bytes),
            *(self.unique, self.unique_until, self.cancelled),
        )

    def lane(self, mark: str) -> str:
        """Return the stream of the lane with that mark."""
        return {URGENT: self.urgent, DEFAULT: self.stream, BULK: self.bulk}[mark]


def lane_mark(priority: object) -> str:
    """Return the mark of the lane for a priority: as in Dramatiq, lower is sooner, and 0 is usual."""
    if priority == 0 or not isinstance(priority, int | float):
        return DEFAULT
    return URGENT if priority < 0 else BULK


def mark_of(name: bytes) -> str:
    """Return the mark of the lane of an entry, by the entry's name."""
    return _MARKS.get(name[:1], DEFAULT)


def queue(namespace: str, name: str) -> Keys:
    """Return the keys of a queue; an empty namespace leaves the stream the queue's bare name."""
    return Keys(f"{namespace}:{name}" if namespace else name)


def registry(namespace: str) -> str:
    """Return the key of the set of names of all queues of a namespace. Its braces keep it apart from every stream."""
    return "{" + namespace + "}:queues"
