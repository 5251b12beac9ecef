"""Comparison: what a draft would say of requests that were judged before, worked out in small steps.

A step looks at one chunk and records it together with the place where the next one begins, so that a comparison goes on
where it stood, in any worker, whatever became of the one before. Items of all clients are read, to count; only requests
of the client that asked are ever given as examples.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from dramatiq import Broker, BrokerConnectionError
from sqlalchemy.orm import Session

from app import messages
from app.comparison.chunk import Chunk
from app.comparison.drafts import Drafts
from app.compiling import compiled, pinned
from app.database import Database
from app.errors import ComparisonEnded, ComparisonNotFound, ComparisonRunning, DraftNotFound, RuleSetInvalid
from app.models import audit, comparisons, past, rulesets
from app.models.comparisons import Comparison, State
from app.rules import RuleSetError

__all__ = ["MOST_REQUESTS", "Drafts", "begin", "cancel", "fail", "find", "forget", "newest", "resume", "send", "step"]

log = structlog.get_logger(__name__)

#: Requests that a comparison can be asked to look at.
MOST_REQUESTS = 100_000
#: How many rows, of any rule set, are looked through to learn how many requests there are to compare.
COUNTED = 200_000
#: Stranded comparisons that are sent again in one run, and old ones that are removed.
MOST_RESUMED = 100
MOST_FORGOTTEN = 500


def begin(session: Session, name: str, comparison_id: UUID, *, client_id: UUID, asked: int) -> Comparison:
    """Return a new comparison of the present draft of `name` with its last `asked` requests; it is still to be sent.

    Raises:
        DraftNotFound: there is no draft of that name.
        RuleSetInvalid: the draft does not compile.
        ComparisonRunning: the rule set has a comparison that is not over.
    """
    draft = rulesets.draft(session, name)
    if draft is None:
        raise DraftNotFound(f"The rule set {name} has no draft.")
    tables = pinned(session, draft.definition)
    try:
        compiled(session, draft.definition, tables)
    except RuleSetError as error:
        raise RuleSetInvalid("The draft does not compile.", errors=[problem(error)]) from None
    published = rulesets.resolve(session, name, None)
    added = comparisons.add(
        session,
        comparison_id=comparison_id,
        ruleset=name,
        client_id=client_id,
        definition=draft.definition,
        content_hash=rulesets.content_hash(draft.definition),
        tables=tables,
        baseline=published.ref if published else None,
        asked=asked,
    )
    if not added:
        raise ComparisonRunning(f"A comparison of {name} is not over yet; wait for it, or cancel it.")
    _note(session, "start", name, comparison_id, by=client_id, requests=asked)
    log.info("comparison.accepted", comparison=str(comparison_id), ruleset=name, requests=asked)
    return find(session, name, comparison_id)


def step(session: Session, comparison_id: UUID, number: int, drafts: Drafts) -> int | None:
    """Return the number of the step that comes after step `number`, which was taken; None when nothing is to follow.

    That is so when the comparison is over now, and when this message is late: the step was taken before, or somebody
    is taking it. To do it twice changes nothing.
    """
    comparison = comparisons.claim(session, comparison_id, step=number)
    if comparison is None:
        return None
    if comparison.state == State.PENDING:
        asked = comparison.asked
        total = past.count(session, comparison.ruleset, before=comparison.cursor, most=asked, rows=COUNTED)
        comparisons.start(session, comparison_id, total=asked if total is None else total)
        return number + 1
    try:
        ruleset = drafts.get(session, comparison)
    except RuleSetError as error:
        fail(session, comparison_id, f"The draft does not compile any more: {error}")
        return None
    chunk = Chunk.look(session, comparison, ruleset)
    comparisons.advance(session, comparison_id, **chunk.outcome())
    if not chunk.last:
        return number + 1
    comparisons.finish(session, comparison_id)
    log.info("comparison.done", comparison=str(comparison_id), requests=chunk.seen)
    return None


def fail(session: Session, comparison_id: UUID, reason: str) -> None:
    """The comparison has failed, if it was not over."""
    if comparisons.fail(session, comparison_id, reason):
        log.error("comparison.failed", comparison=str(comparison_id), reason=reason)


def cancel(session: Session, name: str, comparison_id: UUID, *, by: UUID) -> Comparison:
    """Return the comparison, canceled now or before; a step that is being taken is waited for.

    Raises:
        ComparisonNotFound: the rule set has none of this id.
        ComparisonEnded: it is done, or has failed.
    """
    find(session, name, comparison_id)
    if comparisons.cancel(session, comparison_id):
        _note(session, "cancel", name, comparison_id, by=by)
        log.info("comparison.canceled", comparison=str(comparison_id))
    comparison = find(session, name, comparison_id)
    if comparison.state != State.CANCELED:
        raise ComparisonEnded(f"The comparison is {comparison.state} already.")
    return comparison


def find(session: Session, name: str, comparison_id: UUID) -> Comparison:
    """Return the rule set's comparison of this id. Raises ComparisonNotFound."""
    comparison = comparisons.find(session, name, comparison_id)
    if comparison is None:
        raise ComparisonNotFound("There is no such comparison.")
    return comparison


def newest(session: Session, name: str, *, before: UUID | None, limit: int) -> Sequence[Comparison]:
    """Return up to `limit` comparisons of the rule set, newest first, those older than `before` if that is given."""
    return comparisons.newest(session, name, before=before, limit=limit)


def send(broker: Broker, comparison_id: UUID, number: int) -> None:
    """Have a worker take step `number`. While Redis is away that is left to `resume`."""
    trace = structlog.contextvars.get_contextvars().get("request_id")
    try:
        broker.enqueue(messages.compare(comparison_id, number, trace=trace))
    except BrokerConnectionError as error:
        log.warning("comparison.not_sent", comparison=str(comparison_id), error=str(error))


def resume(database: Database, broker: Broker, *, after_ms: int) -> int:
    """Send the next step of every comparison that has not moved for `after_ms`; return how many messages were missing.

    Others wait in their queue, where each is unique: those are not doubled.

    Raises:
        DatabaseAway, dramatiq.BrokerConnectionError: the next run will send what this one has not.
    """
    with database.autocommit() as session:
        stranded = comparisons.stranded(session, after_ms=after_ms, limit=MOST_RESUMED)
    missing = [messages.compare(comparison_id, number) for comparison_id, number in stranded]
    # For one that is there already the broker returns that one.
    return sum(broker.enqueue(message).message_id == message.message_id for message in missing)


def forget(database: Database, *, days: int) -> int:
    """Return how many comparisons that ended more than `days` ago are gone now: some, if there are very many.

    The audit trail still says that they were begun. Raises DatabaseAway.
    """
    with database.transaction() as session:
        return comparisons.forget(session, days=days, limit=MOST_FORGOTTEN)


def problem(error: RuleSetError) -> dict[str, Any]:
    """Return what is wrong with a draft, as one of the `errors` of RuleSetInvalid."""
    place = {"line": error.line, "column": error.column}
    params = {key: at for key, at in place.items() if at is not None}
    return {"pointer": error.pointer, "code": "does_not_compile", "detail": str(error), "params": params}


def _note(session: Session, act: str, name: str, comparison_id: UUID, *, by: UUID, **details: int) -> None:
    audit.note(
        session,
        actor=f"client:{by}",
        action=f"comparison.{act}",
        subject=f"ruleset:{name}",
        details={"comparison": str(comparison_id), **details},
    )
