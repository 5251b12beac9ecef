"""Every queue, actor and stream name, and one function for each message that is sent.

The API names an actor through this file and never imports `tasks`, so the usual circle cannot be drawn.
"""

from uuid import UUID

import uuid_utils
from dramatiq import Message

#: Single validations, for which somebody may be waiting.
VALIDATION_REQUESTS = "validation_requests"
#: The platform's own work: rescue, partitions, what is kept for some days.
UPKEEP = "upkeep"
#: Chunks of comparisons, for which nobody waits: after everything else, and in a queue that can be paused alone.
COMPARISONS = "comparisons"
QUEUES = (VALIDATION_REQUESTS, UPKEEP, COMPARISONS)

#: Notices that a validation has ended, read by every web process.
EXTENSION_RESPONSES = "extension_responses"

VALIDATE = "validate"
COMPARE = "compare"
RESCUE = "rescue"
RESUME = "resume"
MAKE_PARTITIONS = "make_partitions"
FORGET_KEYS = "forget_keys"
FORGET_COMPARISONS = "forget_comparisons"

#: A tick of the clock that nobody took for this long is worth nothing: the next one has been sent.
TICK_AGE_MS = 5_000


def validate(request_id: UUID, **origin: str) -> Message[None]:
    """Return the message that has one request validated. It carries the id, never the item.

    `origin` is what `spans.origin` tells: `trace` is the HTTP request's id, for the worker's log lines; `traceparent`
    and `tracestate` are its trace (W3C).
    """
    return _message(VALIDATION_REQUESTS, VALIDATE, str(request_id), **origin)


def compare(comparison_id: UUID, step: int, *, trace: str | None = None) -> Message[None]:
    """Return the message that has one step of a comparison taken. Of each step there is one at a time in the queue."""
    origin = {} if trace is None else {"trace": trace}
    return _message(COMPARISONS, COMPARE, str(comparison_id), step, unique_key=f"{comparison_id}:{step}", **origin)


def rescue() -> Message[None]:
    """Return the message that has stranded requests sent again."""
    return _message(UPKEEP, RESCUE, max_age=TICK_AGE_MS)


def resume() -> Message[None]:
    """Return the message that has stranded comparisons sent again."""
    return _message(UPKEEP, RESUME, max_age=TICK_AGE_MS)


def make_partitions() -> Message[None]:
    """Return the message that has the months ahead made."""
    return _message(UPKEEP, MAKE_PARTITIONS)


def forget_keys() -> Message[None]:
    """Return the message that has old idempotency keys removed."""
    return _message(UPKEEP, FORGET_KEYS)


def forget_comparisons() -> Message[None]:
    """Return the message that has old comparisons removed."""
    return _message(UPKEEP, FORGET_COMPARISONS)


def _message(queue: str, actor: str, *args: str | int, **options: str | int) -> Message[None]:
    # As random as the id that Dramatiq would give it, and made in a tenth of the time.
    message_id = str(uuid_utils.uuid4())
    return Message(queue_name=queue, actor_name=actor, args=args, kwargs={}, options=options, message_id=message_id)
