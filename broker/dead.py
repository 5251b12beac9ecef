"""Dead letters: what is kept of a message that will not be tried again, and for how long."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from dramatiq.broker import MessageProxy

#: Why a message was dead-lettered.
FAILED = "failed"  # its actor failed for the last time, or middleware gave it up
POISON = "poison"  # it was started too often without ever ending
UNDECODABLE = "undecodable"  # it is no message at all; its raw bytes are kept
UNKNOWN_ACTOR = "unknown_actor"  # no worker that knows its actor came in time

#: Dead letters older than this are dropped when another is added.
MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000

#: Of more dead letters than this, the oldest are dropped when another is added.
MAX_NUMBER = 100_000

#: Of more bytes of dead letters than this, the oldest are dropped when another is added; one is always kept.
MAX_BYTES = 256 * 1024 * 1024

#: A traceback is cut to its last characters, where the cause is.
_MAX_TRACEBACK = 10_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What the dead-letter stream says about a message. Redis adds `enqueued_ms` and `died_ms` by its own clock."""

    reason: str
    error: str = ""
    traceback: str = ""
    queue: str = ""
    actor: str = ""
    message_id: str = ""
    retries: int = 0
    #: The encoded message; empty stands for the bytes that are in the queue.
    message: bytes = b""

    def texts(self) -> list[bytes | str | int]:
        """Return field, value, field, value, …: the entry of the dead-letter stream."""
        return [
            *("message", self.message),
            *("reason", self.reason),
            *("error", self.error),
            *("traceback", self.traceback),
            *("queue", self.queue),
            *("actor", self.actor),
            *("message_id", self.message_id),
            *("retries", self.retries),
        ]


def letter(message: MessageProxy, reason: str) -> DeadLetter:
    """Return the letter for a message, telling of the exception that was stuffed into it."""
    error = message._exception
    return DeadLetter(
        reason=reason,
        error="" if error is None else f"{type(error).__name__}: {error}",
        traceback=_traceback(message),
        queue=message.queue_name,
        actor=message.actor_name,
        message_id=message.message_id,
        retries=_count(message.options.get("retries")),
        message=_body(message),
    )


def _traceback(message: MessageProxy) -> str:
    error = message._exception
    if error is not None and error.__traceback__ is not None:
        return "".join(traceback.format_exception(error))[-_MAX_TRACEBACK:]
    return str(message.options.get("traceback") or "")[-_MAX_TRACEBACK:]


def _count(retries: object) -> int:
    return retries if isinstance(retries, int) else 0


def _body(message: MessageProxy) -> bytes:
    # Options that middleware added may not be encodable; the bytes in the queue are.
    try:
        body: bytes = message.encode()
    except Exception:
        return b""
    return body
