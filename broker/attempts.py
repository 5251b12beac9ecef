"""An attempt: one run of a message by an actor, and how it ended.

Of an exception only its type and a fingerprint are kept; what it says may be secret, and is with the dead letter.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from typing import NamedTuple

DONE = "done"
RETRIED = "retried"  # failed, and sent again
FAILED = "failed"  # failed, and neither sent again nor dead-lettered
DEAD = "dead"  # failed for the last time
CANCELLED = "cancelled"  # by an operator

#: How many of the innermost frames make a fingerprint.
_FRAMES = 3


class Attempt(NamedTuple):
    """One run. Times are of the worker's clock."""

    message_id: str
    actor: str
    #: "done", "retried", "failed", "dead" or "cancelled".
    outcome: str
    started_ms: int
    duration_ms: float
    #: How many retries came before it.
    retries: int
    host: str
    pid: int
    #: The exception's type and the hash of where it was raised; empty without one.
    error: str = ""
    fingerprint: str = ""

    def texts(self) -> list[str | int]:
        """Return field, value, field, value, …: the entry of the attempts' stream."""
        return [
            *("message_id", self.message_id),
            *("actor", self.actor),
            *("outcome", self.outcome),
            *("started_ms", self.started_ms),
            *("duration_ms", f"{self.duration_ms:.3f}"),
            *("retries", self.retries),
            *("host", self.host),
            *("pid", self.pid),
            *("error", self.error),
            *("fingerprint", self.fingerprint),
        ]


def parse(fields: Mapping[bytes, bytes]) -> Attempt | None:
    """Return the attempt that an entry tells of, or None when it tells of none."""
    texts = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    try:
        return Attempt(
            message_id=texts["message_id"],
            actor=texts["actor"],
            outcome=texts["outcome"],
            started_ms=int(texts["started_ms"]),
            duration_ms=float(texts["duration_ms"]),
            retries=int(texts["retries"]),
            host=texts["host"],
            pid=int(texts["pid"]),
            error=texts["error"],
            fingerprint=texts["fingerprint"],
        )
    except (KeyError, ValueError):
        return None


def error_type(error: BaseException) -> str:
    """Return the full name of an exception's type, without "builtins"."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def fingerprint(error: BaseException) -> str:
    """Return 12 hex digits that are the same for failures of the same type in the same functions.

    Line numbers and the exception's words are left out: they change without the cause changing.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-_FRAMES:]
    places = [f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}" for frame in frames]
    return hashlib.sha256("\n".join([error_type(error), *places]).encode()).hexdigest()[:12]
