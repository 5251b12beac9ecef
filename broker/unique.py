"""Unique messages: of those with the same key, for the same actor on the same queue, only one is there at a time.

`unique_key` is an option of messages or actors. With `unique_ms` the key is taken for that long after sending,
whatever becomes of the message; without, until the message is done, dead-lettered or cancelled. Its retries keep it.
"""

from __future__ import annotations

from typing import Any

from dramatiq.actor import Actor
from dramatiq.message import Message

#: The options that actors may have.
OPTIONS = frozenset({"unique_key", "unique_ms"})


def settled(message: Message[Any], actor: Actor[Any, Any] | None) -> Message[Any]:
    """Return the message with its actor's options of uniqueness among its own, so that workers need no actor."""
    if actor is None or not OPTIONS & actor.options.keys():
        return message
    inherited = {name: actor.options[name] for name in OPTIONS & actor.options.keys()}
    return message.copy(options={**inherited, **message.options})


def claim(message: Any) -> str:
    """Return what the message claims for itself alone on its queue, or ''."""
    key = message.options.get("unique_key")
    return "" if key is None else f"{message.actor_name}:{key}"


def window_ms(message: Any) -> int:
    """Return for how long it claims that; 0 is until it ends. Raises ValueError for less than a millisecond."""
    window = message.options.get("unique_ms")
    if window is None:
        return 0
    if int(window) < 1:
        raise ValueError(f"unique_ms must be at least 1, not {window!r}")
    return int(window)


def ending_claim(message: Any) -> str:
    """Return the claim that ends with the message, or ''."""
    return claim(message) if message.options.get("unique_ms") is None else ""
