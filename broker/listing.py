"""Pages of messages as operators see them.

Anybody may have put anything into Redis, so a message that cannot be read is shown by its bytes and breaks no page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dramatiq.message import Message

from broker.keys import BULK, DEFAULT, MESSAGE, URGENT

Item = TypeVar("Item")

#: No page is longer than this, so that none holds up Redis.
MAX_PAGE = 500

#: The lanes' marks and names, the most urgent first, as in `Keys.lanes`.
LANES = ((URGENT, "urgent"), (DEFAULT, "default"), (BULK, "bulk"))


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and the cursor of the next page: None at the end.

    A page may be short, even empty, and not be the last: filters look through so many items at a time.
    """

    items: tuple[Item, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a queue. Without `message`, its `raw` bytes could not be read."""

    #: The name under which `Inspector.message` finds it again. A retry gets a new one.
    id: str
    #: "waiting", "in_flight" or "delayed".
    state: str
    lane: str
    message: Message[Any] | None
    raw: bytes
    #: How long it has been in its lane, in ms; what is delayed has not.
    age_ms: int | None = None
    #: Until it is due, in ms.
    due_ms: int | None = None
    #: The consumer that holds it.
    held_by: str | None = None

    @property
    def actor(self) -> str:
        """Return the name of its actor; empty when it cannot be read."""
        return "" if self.message is None else str(self.message.actor_name)

    @property
    def message_id(self) -> str:
        """Return its Dramatiq id; empty when it cannot be read."""
        return "" if self.message is None else str(self.message.message_id)


def decoded(raw: bytes) -> Message[Any] | None:
    """Return the message, or None when the bytes are none."""
    try:
        message: Message[Any] = Message.decode(raw)
    except Exception:
        return None
    kinds = ((message.args, tuple | list), (message.kwargs, dict), (message.options, dict))
    return message if all(isinstance(part, kind) for part, kind in kinds) else None


def body(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the encoded message of an entry; of a stranger's entry all that it has."""
    found = fields.get(MESSAGE)
    return b" ".join(text for pair in fields.items() for text in pair) if found is None else found


def fields(texts: list[bytes]) -> dict[bytes, bytes]:
    """Return an entry's fields by name, from field, value, field, value, …"""
    return dict(zip(texts[::2], texts[1::2], strict=True))


def name(mark: str, entry_id: bytes) -> str:
    """Return the name of an entry of a lane."""
    return mark + entry_id.decode()


def split(entry: str) -> tuple[int, str]:
    """Return the number of the lane, 0 the most urgent, and the entry id in a name."""
    for number, (mark, _) in enumerate(LANES):
        if mark and entry.startswith(mark):
            return number, entry[len(mark) :]
    return 1, entry


def is_entry_id(text: str) -> bool:
    """Whether the text is an entry id (https://redis.io/docs/latest/develop/data-types/streams/#entry-ids)."""
    ms, dash, number = text.partition("-")
    return bool(dash) and all(part.isascii() and part.isdigit() and len(part) <= 20 for part in (ms, number))


def born_ms(entry_id: bytes | str) -> int:
    """Return when an entry was added, by Redis's clock."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[0])


def clamped(limit: int) -> int:
    """Return a page size within bounds."""
    return max(1, min(limit, MAX_PAGE))


def text(raw: object) -> str:
    """Return what Redis gave as text, whatever it is."""
    return raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else str(raw)
