"""Keys: the values of some fields of an item, as bytes that are equal where the values are.

Values are equal as JSON has it: `"1"` is no `1`, `1.0` is `1`, the order of an object's fields says nothing. Texts are
taken as they are: neither case nor white space is forgiven here, that is what normalisers are for.
"""

from collections.abc import Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import orjson

from app.rules.findings import JSON, clip

#: A longer key is cut as the params of findings are, and told apart by a hash of the whole.
LONGEST = 200
_HASH_BYTES = 16
_TEXT = {str}


class Key:
    """Some fields of an item, in order."""

    def __init__(self, fields: Sequence[str]) -> None:
        # Asked for one field alone it would give the bare value.
        self._values = itemgetter(*fields) if len(fields) > 1 else lambda item: (item[fields[0]],)

    def of(self, item: dict[str, Any]) -> bytes | None:
        """Return the key of `item`, without control characters; None when a field is missing, null or not legible."""
        try:
            values = self._values(item)
            if None in values:
                return None
            written = orjson.dumps(values)
            if set(map(type, values)) != _TEXT:
                written = orjson.dumps(_plain(values), option=orjson.OPT_SORT_KEYS)
        except (KeyError, TypeError):  # TypeError: what orjson cannot write, and `legible` has a finding for.
            return None
        return written if len(written) <= LONGEST else _shortened(written)


def shown(written: bytes) -> list[JSON]:
    """Return the values of a key, cut to the size of params."""
    return _clipped(written if written.endswith(b"]") else written[: -2 * _HASH_BYTES])


def _shortened(written: bytes) -> bytes:
    return orjson.dumps(_clipped(written)) + blake2b(written, digest_size=_HASH_BYTES).hexdigest().encode()


def _clipped(written: bytes) -> list[JSON]:
    return clip({"key": orjson.loads(written)})["key"]  # type: ignore[return-value]  # A list stays a list.


def _plain(value: Any) -> Any:
    """Return `value` with whole numbers written in one way. Recurses no deeper than orjson writes."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and -(2**63) <= value < 2**64 else value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(below) for name, below in value.items()}
    return value
