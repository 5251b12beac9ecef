"""Every Redis key of a queue.

The stream has the queue's own name, and all other keys carry that whole name as their hash tag,
so that a queue lies in one Redis Cluster slot and one script may touch all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one queue. None expires: each shrinks as messages are finished.

    Raises ValueError for names with braces, which would change the hash tag.
    """

    stream: str

    def __post_init__(self) -> None:
        if "{" in self.stream or "}" in self.stream:
            raise ValueError(f"{self.stream!r}: a queue name or namespace must not contain braces")

    @property
    def delayed(self) -> str:
        """Sorted set: ids of messages that are not due yet, by due time (Redis's clock, ms)."""
        return "{" + self.stream + "}:delayed"

    @property
    def bodies(self) -> str:
        """Hash: encoded messages by the ids in `delayed`."""
        return "{" + self.stream + "}:bodies"

    @property
    def parked(self) -> str:
        """Hash: since when (ms) messages for unknown actors wait, by the ids in `delayed`."""
        return "{" + self.stream + "}:parked"

    @property
    def starts(self) -> str:
        """Hash: how often an entry was started since it was taken over, by entry id."""
        return "{" + self.stream + "}:starts"

    @property
    def dead(self) -> str:
        """Stream: dead letters; trimmed by age and number whenever one is added."""
        return "{" + self.stream + "}:dead"

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, in the order in which `turn.lua` and `flush.lua` take them."""
        return (self.stream, self.delayed, self.bodies, self.parked, self.starts, self.dead)


def queue(namespace: str, name: str) -> Keys:
    """Return the keys of a queue; an empty namespace leaves the stream the queue's bare name."""
    return Keys(f"{namespace}:{name}" if namespace else name)
