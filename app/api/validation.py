"""Validation over HTTP: send items, see where the request is, wait for its answer.

An item that breaks rules, or a rule set that breaks down over it, is an answer and not an HTTP error.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from flask import Response, request

from app.api import answers, bodies, etags, idempotency, languages, limits, seats
from app.api.current import caller, metrics, platform
from app.api.openapi import Blueprint
from app.api.problems import fault
from app.api.shapes import Answer, RequestState, Submission
from app.api.waits import Wait
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.errors import DatabaseAway, InvalidRequest, RequestNotFound
from app.models.base import new_id
from app.models.idempotency import Key
from app.models.requests import State
from app.models.standings import Standing
from app.rules.catalogue import Texts
from app.spans import span

log = structlog.get_logger(__name__)

validation = Blueprint(
    "validation", __name__, url_prefix="/api/validation", description="Send items, and read what the rules say of them."
)

WAIT = {
    "in": "query",
    "name": "wait",
    "schema": {"type": "integer", "minimum": 0},
    "description": "Seconds to wait: at most 25, unless the operator says otherwise; more counts as that.",
}
PREFER = {
    "in": "header",
    "name": "Prefer",
    "schema": {"type": "string"},
    "description": "`wait=N`: answer with the verdict when it is there within N seconds; `respond-async`: do not "
    "wait for it (RFC 7240).",
}
REQUEST_ID = {"in": "path", "name": "request_id", "schema": {"type": "string", "format": "uuid"}}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where the request is."}}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth to ask again."}}


@validation.route("/validate", methods=["POST"])
@scope(Scope.VALIDATIONS_WRITE)
@validation.arguments(Submission)
@validation.doc(parameters=[WAIT, PREFER, idempotency.PARAMETER, languages.PARAMETER])
@validation.response(
    200,
    Answer,
    headers={**languages.HEADER, **idempotency.HEADERS},
    description="Done within the wait, or before, where this is a repeat: the answer.",
)
@validation.alt_response(
    202,
    schema=RequestState,
    headers={**LOCATION, **RETRY_AFTER, **idempotency.HEADERS},
    description="Accepted; the answer will come.",
    success=True,
)
def validate(submission: dict[str, Any]) -> Response:
    """Have items validated.

    One item, or a list of items, by one rule set. Once this has answered 2xx the items are stored and will be answered.
    """
    wait = seats.preferred(Wait.of(request, longest_s=platform().settings.max_wait_s))
    items = items_of(submission, most=platform().settings.max_items)
    once = idempotency.key(request, submission)
    limits.charge(len(items) - 1)
    read = Reader(new_id(), waits=True)
    # Registered before anybody can work on the request, so that its end cannot be missed.
    with platform().hub.watch(read.request_id) as watch:
        accepted = accept(read.request_id, submission, items, once)
        if accepted.id != read.request_id:
            return repeated(accepted, wait)
        if wait.seconds:
            with metrics().waiting.track_inprogress(), span("wait"):
                answer = watch.until(calmly(read), timeout_s=wait.seconds)
            if answer is not None:
                return bodies.write(answer, 200, {**wait.headers, **languages.headers(read.language)})
    location = answers.URL.format(id=read.request_id)
    return pending(answers.state(accepted), {"Location": location, **wait.headers})


@validation.route("/requests/<request_id>", parameters=[REQUEST_ID])
@scope(Scope.VALIDATIONS_READ)
@validation.doc(parameters=[etags.IF_NONE_MATCH])
@validation.response(200, RequestState, headers=etags.ETAG)
@validation.alt_response(304, description="Known already.", success=True)
def state(request_id: str) -> Response:
    """See where a request is. Never waits."""
    return etags.sealed(request, bodies.write(answers.state(Reader(key(request_id)).look())))


@validation.route("/requests/<request_id>/result", parameters=[REQUEST_ID])
@scope(Scope.VALIDATIONS_READ)
@validation.doc(parameters=[WAIT, PREFER, etags.IF_NONE_MATCH, languages.PARAMETER])
@validation.response(
    200, Answer, headers={**etags.ETAG, **languages.HEADER}, description="Done, or failed: the answer."
)
@validation.alt_response(
    202, schema=RequestState, headers=RETRY_AFTER, description="Still pending when the time was up.", success=True
)
@validation.alt_response(304, description="Known already.", success=True)
def result(request_id: str) -> Response:
    """Read the answer to a request, waiting for it if asked to."""
    wait = seats.needed(Wait.of(request, longest_s=platform().settings.max_wait_s))
    read = Reader(key(request_id), waits=wait.seconds > 0)
    with platform().hub.watch(read.request_id) as watch, metrics().waiting.track_inprogress(), span("wait"):
        answer = watch.until(read, timeout_s=wait.seconds)
    if answer is not None:
        told = bodies.write(answer, 200, {**wait.headers, **languages.headers(read.language)})
        return etags.sealed(request, told)
    return pending(read.seen, wait.headers)


def repeated(first: Standing, wait: Wait) -> Response:
    """Return the answer to a call that repeats the one which made the request `first`."""
    read = Reader(first.id)
    with platform().hub.watch(first.id) as watch, metrics().waiting.track_inprogress(), span("wait"):
        answer = watch.until(calmly(read), timeout_s=wait.seconds)
    headers = {**idempotency.REPLAYED, **wait.headers}
    if answer is not None:
        return bodies.write(answer, 200, {**headers, **languages.headers(read.language)})
    return pending(answers.state(first), {"Location": answers.URL.format(id=first.id), **headers})


def items_of(submission: dict[str, Any], *, most: int) -> list[Any]:
    """Return the items that were sent. Raises InvalidRequest when there are more than `most`."""
    items: list[Any] = submission["items"] if "items" in submission else [submission["item"]]
    if len(items) > most:
        message = f"At most {most} items can be sent at once."
        raise InvalidRequest(message, errors=[fault("/items", "too_many_items", message, {"most": most})])
    return items


def accept(request_id: UUID, submission: dict[str, Any], items: list[Any], once: Key | None) -> Standing:
    """Return the request, accepted and counted, or the one that came first with the same key.

    Raises UnknownRuleSet, DatabaseAway, IdempotencyKeyBusy, IdempotencyKeyReused.
    """
    source, intake = submission["source"], platform().intake
    take = intake.accept if once is None else partial(intake.accept_once, once)
    accepted = take(
        request_id,
        client_id=caller().client_id,
        source=source,
        ruleset=submission["ruleset"],
        items=items,
        autofix=submission.get("autofix"),
    )
    if accepted.id != request_id:
        log.info("validation.repeated", validation=str(accepted.id))
        return accepted
    platform().hub.accepted(accepted)
    metrics().accepted.labels(source).inc()
    metrics().items.labels(source).inc(len(items))
    log.info("validation.accepted", validation=str(request_id), ruleset=accepted.ruleset, items=len(items))
    return accepted


class Reader:
    """Looks for the caller's answer to one request. One who `waits` begins with that, if an answer cannot be missed."""

    def __init__(self, request_id: UUID, *, waits: bool = False) -> None:
        self.request_id = request_id
        #: Where the request was at the last look.
        self.seen: dict[str, Any] = {}
        #: Of the answer's messages.
        self.language = languages.chosen(request)
        self._platform = platform()
        self._client_id = caller().client_id
        self._waits = waits

    def __call__(self) -> dict[str, Any] | None:
        """Return the answer, or None while there is none. Raises RequestNotFound, DatabaseAway."""
        standing = self._first_look() or self.look()
        if standing.state == State.PENDING:
            self.seen = answers.state(standing)
            return None
        texts: Texts = {}
        if standing.outcome and standing.outcome.found:
            texts = self._platform.rulebook.texts(self._platform.database, standing.ruleset)
        return answers.answer(standing, texts, self.language)

    def look(self) -> Standing:
        """Return where the request stands. Raises RequestNotFound, also when it is another client's; DatabaseAway."""
        return self._own(self._platform.hub.ended(self.request_id) or self._platform.ledger.read(self.request_id))

    def _first_look(self) -> Standing | None:
        waits, self._waits = self._waits, False
        expected = self._platform.hub.expected(self.request_id) if waits else None
        return expected and self._own(expected)

    def _own(self, standing: Standing | None) -> Standing:
        if standing is None or standing.client_id != self._client_id:
            raise RequestNotFound("There is no such request.")
        return standing


def calmly(read: Callable[[], dict[str, Any] | None]) -> Callable[[], dict[str, Any] | None]:
    """Return a `read` that has nothing to say while the database is away.

    For a request that was accepted in this very call: an error now would make the client send it again.
    """

    def look() -> dict[str, Any] | None:
        try:
            return read()
        except DatabaseAway:
            return None

    return look


def pending(told: dict[str, Any], headers: dict[str, str]) -> Response:
    """Return the answer of a request that has none yet."""
    return bodies.write(told, 202, {"Retry-After": str(answers.RETRY_AFTER_S), **headers})


def key(text: str) -> UUID:
    """Return the id that a path names. Raises RequestNotFound when no request can have it."""
    try:
        request_id = UUID(text)
    except ValueError:
        raise RequestNotFound("There is no such request.") from None
    if request_id.version != 7 or str(request_id) != text.lower():
        raise RequestNotFound("There is no such request.")
    return request_id
