"""The validation actor: one message, one verdict; messages that come at the same time share one transaction.

However often a message comes, the row says what is left to do: the row lock keeps a second worker out, and a request
that has ended is only told about again. An actor returns, and so its message is acknowledged, once its own verdict is
committed.
"""

import time
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import NamedTuple
from uuid import UUID

import dramatiq
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import messages, spans, validation
from app.errors import DatabaseAway
from app.models import requests
from app.models.requests import Claimed, State
from app.platform import Platform
from app.rules import RuleSet
from app.spans import span
from app.validation import Judgement, judge
from broker import Call, Reschedule
from tasks.outages import patient

log = structlog.get_logger(__name__)

#: When to look again at a request that another worker holds.
HELD_MS = 500
#: How many requests are validated together at most.
MOST = 64
#: Judging goes on for so long in one transaction. What is left then gets another one: the first has its rows locked.
LONGEST_S = 1.0


class Errand(NamedTuple):
    """A request that is to be judged, and the context of its message."""

    request_id: UUID
    context: Context


def declare(platform: Platform) -> None:
    """Make the actor known to the platform's broker."""

    @dramatiq.actor(
        broker=platform.broker,
        actor_name=messages.VALIDATE,
        queue_name=messages.VALIDATION_REQUESTS,
        max_retries=platform.settings.validation_retries,
        min_backoff=platform.settings.validation_backoff_ms,
        batch=MOST,
    )
    def validate(calls: Sequence[Call]) -> Sequence[Exception | None]:
        with patient():
            return validate_all(platform, [Errand(UUID(*call.args), call.context) for call in calls])


def validate_all(platform: Platform, errands: Sequence[Errand]) -> Sequence[Exception | None]:
    """Have the requests ended, those that were waiting, and whoever waits for them told. Return what came of each.

    That is None, or for a request that is left as it was:

    - Reschedule: another worker holds it; it is offered again a little later.
    - UnknownRuleSet: its rule set has gone.
    - whatever its rules raised.

    Raises:
        DatabaseAway: nothing was recorded of those that were not told about.
        redis.RedisError: what was recorded may not have been told.
    """
    came: dict[UUID, Exception | None] = {}
    todo = {errand.request_id: errand.context for errand in errands}
    while todo:
        came |= validate_some(platform, todo)
        todo = {request_id: context for request_id, context in todo.items() if request_id not in came}
    return [came[errand.request_id] for errand in errands]


def validate_some(platform: Platform, todo: Mapping[UUID, Context]) -> dict[UUID, Exception | None]:
    """Have as many of these requests ended as may share a transaction; return what came of them."""
    came: dict[UUID, Exception | None] = {}
    told: dict[UUID, bytes] = {}
    with platform.database.begin() as connection:
        claimed = requests.claim(connection, todo)
        judged: list[tuple[Claimed, Judgement]] = []
        until = time.monotonic() + LONGEST_S
        for request in claimed:
            try:
                ruleset = ruleset_of(platform, request.ruleset)
                judged.append((request, todo[request.id].run(judgement, ruleset, request)))
            except (SQLAlchemyError, DatabaseAway):
                raise
            except Exception as error:  # It fails alone.
                came[request.id] = error
            if time.monotonic() > until:
                break
        if judged:
            with spans.shared([todo[request.id] for request, _ in judged], "record"):
                standings = validation.record(connection, judged)
            told = {standing.id: standing.encode() for standing in standings}
    try:
        if told:
            platform.notices.tell(told)
    finally:
        for request, made in judged:
            came[request.id] = None
            todo[request.id].run(say, request, made)
    others = todo.keys() - {request.id for request in claimed}
    return came | look_after(platform, {request_id: todo[request_id] for request_id in others}) if others else came


def look_after(platform: Platform, others: Mapping[UUID, Context]) -> dict[UUID, Exception | None]:
    """Have those told about that had ended before; return what came of these requests, which could not be claimed."""
    with platform.database.connection() as connection:
        states = requests.states(connection, others)
    ended = {request_id: b"" for request_id, state in states.items() if state is not State.PENDING}
    if ended:
        platform.notices.tell(ended)
    for request_id in others.keys() - states.keys():
        others[request_id].run(log.warning, "validation.unknown", validation=str(request_id))
    return {
        request_id: Reschedule(HELD_MS) if states.get(request_id) is State.PENDING else None for request_id in others
    }


def ruleset_of(platform: Platform, ref: str) -> RuleSet:
    """Return the rule set. Raises UnknownRuleSet, DatabaseAway."""
    kept = platform.rulebook.kept(ref)
    if kept is not None:
        return kept
    with platform.database.autocommit() as session:
        return platform.rulebook.get(session, ref)


def judgement(ruleset: RuleSet, request: Claimed) -> Judgement:
    """Return what the rules say of the request."""
    with span("judge", ruleset=request.ruleset, items=len(request.items)):
        return judge(ruleset, request.items, request.autofix)


def say(request: Claimed, judgement: Judgement) -> None:
    """Log that the request is done."""
    log.info(
        "validation.done",
        validation=str(request.id),
        ruleset=request.ruleset,
        items=judgement.item_count,
        invalid=len(judgement.invalid_items),
        ms=judgement.duration_ms,
    )
