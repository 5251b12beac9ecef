"""Every queue, actor and stream name, and one function for each message that is sent.

The API names an actor through this file and never imports `tasks`, so the usual circle cannot be drawn.
"""

from uuid import UUID

from dramatiq import Message

#: Single validations, for which somebody may be waiting.
VALIDATION_REQUESTS = "validation_requests"
#: The platform's own work: rescue, partitions.
UPKEEP = "upkeep"
QUEUES = (VALIDATION_REQUESTS, UPKEEP)

#: Notices that a validation has ended, read by every web process.
EXTENSION_RESPONSES = "extension_responses"

VALIDATE = "validate"
RESCUE = "rescue"
MAKE_PARTITIONS = "make_partitions"

#: A tick of the clock that nobody took for this long is worth nothing: the next one has been sent.
TICK_AGE_MS = 5_000


def validate(request_id: UUID, *, trace: str | None = None) -> Message[None]:
    """Return the message that has one request validated. It carries the id, never the item.

    `trace` is the HTTP request's id, for the worker's log lines.
    """
    return _message(VALIDATION_REQUESTS, VALIDATE, str(request_id), trace=trace)


def rescue() -> Message[None]:
    """Return the message that has stranded requests sent again."""
    return _message(UPKEEP, RESCUE, max_age=TICK_AGE_MS)


def make_partitions() -> Message[None]:
    """Return the message that has the months ahead made."""
    return _message(UPKEEP, MAKE_PARTITIONS)


def _message(queue: str, actor: str, *args: str, **options: str | int | None) -> Message[None]:
    given = {name: value for name, value in options.items() if value is not None}
    return Message(queue_name=queue, actor_name=actor, args=args, kwargs={}, options=given)
