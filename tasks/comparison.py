"""The comparison actor: one message, one transaction, one step; then the message for the next step.

A step is short, and a process takes one at a time, so that comparisons never hold the threads that clicks need. The row
says which step comes next: a message that comes twice, or late, finds another number there and changes nothing.
"""

import threading
from uuid import UUID

import dramatiq

from app import comparison, messages
from app.comparison import Drafts
from app.platform import Platform
from broker import Reschedule
from tasks.outages import patient

#: When to ask again while this process takes a step of another comparison.
BUSY_MS = 250


def declare(platform: Platform) -> None:
    """Make the actor known to the platform's broker."""
    drafts = Drafts()
    seat = threading.Lock()

    @dramatiq.actor(
        broker=platform.broker,
        actor_name=messages.COMPARE,
        queue_name=messages.COMPARISONS,
        max_retries=platform.settings.validation_retries,
        min_backoff=platform.settings.validation_backoff_ms,
        # What a worker has fetched is started in the order of its actors' priorities: clicks first.
        priority=1,
    )
    def compare(comparison_id: str, step: int) -> None:
        if not seat.acquire(blocking=False):
            raise Reschedule(BUSY_MS)
        try:
            with patient():
                take_step(platform, drafts, UUID(comparison_id), step)
        finally:
            seat.release()


def take_step(platform: Platform, drafts: Drafts, comparison_id: UUID, step: int) -> None:
    """Have the step taken if it is the comparison's next one, and the one after it sent."""
    with platform.database.transaction() as session:
        following = comparison.step(session, comparison_id, step, drafts)
    if following is not None:
        comparison.send(platform.broker, comparison_id, following)
