"""What no rule can read: text that is not Unicode, integers beyond 64 bits, nesting and size beyond reason.

JSON allows all four (RFC 8259 §6, §8.2, §9) but the engines below do not: one of them crashes the process. Asking
orjson to write the item costs half a microsecond and answers yes or no; the slow search happens only after a no.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from app.rules.findings import Finding, place

#: What orjson can write, and far below the nesting that would overflow the CEL engine's stack.
DEEPEST = 254

#: Bytes of JSON. A rate has some 400; what rules can cost is reckoned in items of this size (see expression_cost).
LARGEST_ITEM = 262_144

_Path = tuple[str | int, ...]


def illegible(item: Any, *, largest: int = LARGEST_ITEM) -> Finding | None:
    """Return the first thing in `item` that the engines cannot read, or None when they can read it all."""
    try:
        size = len(orjson.dumps(item))
    except TypeError:
        return _culprit(item)
    return None if size <= largest else Finding("", "item.too_large", "error", {"limit": largest}, "")


def _culprit(item: Any) -> Finding:
    for path, value in _walk(item):
        if len(path) > DEEPEST:
            return Finding("", "item.too_deep", "error", {"limit": DEEPEST}, "")
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            return Finding(place(path), "item.number_too_large", "error", {}, "")
        if isinstance(value, str) and not _unicode(value):
            return Finding(place(path), "item.text_not_unicode", "error", {}, "")
    raise TypeError("the item holds something that is not JSON")


def _walk(item: Any) -> Iterator[tuple[_Path, Any]]:
    """Yield every value in `item` with its path, and every key with the path of what holds it. Does not recurse."""
    waiting: list[tuple[_Path, Any]] = [((), item)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if len(path) > DEEPEST:
            continue
        if isinstance(value, dict):
            for key in value:
                yield path, key
            waiting.extend(((*path, key), below) for key, below in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), below) for index, below in enumerate(value))


def _unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
