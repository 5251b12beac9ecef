"""The validation actor: one message, one transaction, one verdict.

However often a message comes, the row says what is left to do: the row lock keeps a second worker out, and a request
that has ended is only told about again.
"""

from uuid import UUID

import dramatiq
import structlog

from app import messages, validation
from app.models import requests
from app.platform import Platform
from app.spans import span
from app.validation import judge
from broker import Reschedule
from tasks.outages import patient

log = structlog.get_logger(__name__)

#: When to look again at a request that another worker holds.
HELD_MS = 500


def declare(platform: Platform) -> None:
    """Make the actor known to the platform's broker."""

    @dramatiq.actor(
        broker=platform.broker,
        actor_name=messages.VALIDATE,
        queue_name=messages.VALIDATION_REQUESTS,
        max_retries=platform.settings.validation_retries,
        min_backoff=platform.settings.validation_backoff_ms,
    )
    def validate(request_id: str) -> None:
        with patient():
            validate_one(platform, UUID(request_id))


def validate_one(platform: Platform, request_id: UUID) -> None:
    """Have the request ended, if it was waiting, and whoever waits for it told.

    Raises:
        Reschedule: another worker holds the request; it is offered again a little later.
        UnknownRuleSet: its rule set has gone.
    """
    with platform.database.transaction() as session:
        request = requests.claim(session, request_id)
        if request is not None:
            ruleset = platform.rulebook.get(session, request.ruleset)
            with span("judge", ruleset=request.ruleset, items=len(request.items)):
                judgement = judge(ruleset, request.items, request.autofix)
            with span("record"):
                validation.record(session, request, judgement)
            log.info(
                "validation.done",
                validation=str(request_id),
                ruleset=request.ruleset,
                items=judgement.item_count,
                invalid=len(judgement.invalid_items),
                ms=judgement.duration_ms,
            )
        else:
            state = requests.state(session, request_id)
            if state is requests.State.PENDING:
                raise Reschedule(HELD_MS)
            if state is None:
                log.warning("validation.unknown", validation=str(request_id))
                return
    platform.notices.tell(request_id)
