"""Messages as bytes, and back: what Dramatiq's encoder does, by a shorter way when that is its encoder for JSON.

What the shorter way would understand differently goes the longer one, so that no message comes to mean something else.
"""

from __future__ import annotations

import json
import json.encoder
import marshal
from collections.abc import Callable
from typing import Any

from dramatiq.encoder import JSONEncoder
from dramatiq.message import Message, get_encoder

_dumps: Callable[[Any], bytes] | None
_loads: Callable[[str], Any]
try:
    import orjson
except ImportError:
    _dumps, _loads = None, json.loads
else:
    _dumps, _loads = orjson.dumps, orjson.loads

#: What the parts of a message have to be.
_KINDS = {"queue_name": str, "actor_name": str, "message_id": str, "kwargs": dict, "options": dict}

#: How many parts a message has, with its args and its timestamp.
_PARTS = len(_KINDS) + 2

#: The version of marshal's format that does not look for objects that are there twice.
_UNSHARED = 2

# orjson rounds integers that need more than 64 bits, which have 19 digits or more.
_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 19

_JSON = json.JSONEncoder(separators=(",", ":"))
# The json module makes its encoder in C anew for each call, which takes longer than encoding. This one is kept. It
# looks for no circles, which so end in a RecursionError.
_C_MAKE: Any = getattr(json.encoder, "c_make_encoder", None)
_C_JSON: Any = _C_MAKE and _C_MAKE(
    None, _JSON.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)


def encode(message: Message[Any]) -> bytes:
    """Return what means the same as `message.encode()`, sooner if the encoder is Dramatiq's for JSON.

    Raises what that raises, but RecursionError for a circle.
    """
    if type(get_encoder()) is not JSONEncoder:
        return message.encode()
    fields = {
        "queue_name": message.queue_name,
        "actor_name": message.actor_name,
        "args": message.args,
        "kwargs": message.kwargs,
        "options": message.options,
        "message_id": message.message_id,
        "message_timestamp": message.message_timestamp,
    }
    brief = _brief(fields)
    if brief is not None:
        return brief
    text: str = "".join(_C_JSON(fields, 0)) if _C_JSON else _JSON.encode(fields)
    return text.encode()


def _brief(fields: dict[str, Any]) -> bytes | None:
    """Return the fields as JSON by orjson, None where Python's own might write something else or nothing."""
    queue_name, actor_name, args, kwargs, options, message_id, timestamp = fields.values()
    if _dumps is None or not type(queue_name) is type(actor_name) is type(message_id) is str:
        return None
    # Whoever looks for a message at Redis looks for its id as Python writes it.
    if not (message_id.isascii() and message_id.isprintable()):
        return None
    try:
        # This knows Python's own types and none that are derived from them. orjson takes more: UUIDs, enums, …
        marshal.dumps((args, kwargs, options, timestamp), _UNSHARED)
        body = _dumps(fields)
    except (TypeError, ValueError):
        return None
    # What is no number becomes null as well.
    return None if b"null" in body else body


def decode(body: bytes) -> Message[Any]:
    """Return the message. Raises DecodeError, and TypeError for one with parts of a wrong kind."""
    message = _plain(body)
    if message is not None:
        return message
    message = Message.decode(body)
    # Dramatiq takes any JSON for these, and then fails where nobody can settle the message.
    for name, kind in _KINDS.items():
        if not isinstance(getattr(message, name), kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    return message


def _plain(body: bytes) -> Message[Any] | None:
    """Return the message if it is as Dramatiq's JSON encoder makes it, else None."""
    if type(get_encoder()) is not JSONEncoder or _LONG in body.translate(_TO_ZEROS):
        return None
    try:
        fields = _loads(body.decode())
        if len(fields) != _PARTS or "message_timestamp" not in fields or type(fields["args"]) is not list:
            return None
        for name, kind in _KINDS.items():
            if type(fields[name]) is not kind:
                return None
    except (ValueError, LookupError, TypeError):
        return None
    fields["args"] = tuple(fields["args"])
    message: Message[Any] = object.__new__(Message)
    # What a frozen dataclass would do field by field.
    object.__setattr__(message, "__dict__", fields)
    return message
