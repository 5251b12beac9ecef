"""Comparisons over HTTP: start one, follow it, cancel it.

What they count goes over the requests of all clients; requests themselves are named only to the client that started the
comparison, and only its own ones: a rule author learns which rules would flip how many verdicts, not what others sent.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, request
from marshmallow import validate

from app import comparison
from app.api import answers, bodies, etags, idempotency, pages
from app.api.current import caller, platform
from app.api.openapi import Blueprint
from app.api.rulesets import NAME, known
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.comparison import MOST_REQUESTS
from app.errors import ComparisonNotFound
from app.models.base import new_id
from app.models.comparisons import Comparison, State
from app.models.idempotency import claim
from app.rules.flips import KINDS, PARTS

comparisons = Blueprint(
    "comparisons",
    __name__,
    url_prefix="/api/rulesets/<name>/comparisons",
    description="See which verdicts a draft would flip, before it is published.",
)

URL = "/api/rulesets/{}/comparisons/{}"

COMPARISON_ID = {"in": "path", "name": "comparison_id", "schema": {"type": "string", "format": "uuid"}}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where the comparison is."}}
RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth to ask for it."}
}
#: A comparison takes seconds to minutes; its progress is worth a look each second.
RETRY_AFTER_S = 1


class Comparing(ma.Schema):
    """How many requests to compare."""

    requests = ma.fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1, max=MOST_REQUESTS),
        metadata={
            "description": "The newest ones that the rule set has judged; fewer when there are not so many.",
            "example": 10_000,
        },
    )


class ComparisonProgress(ma.Schema):
    """How far a comparison is, in requests."""

    seen = ma.fields.Integer(required=True)
    total = ma.fields.Integer(
        required=True, metadata={"description": "Exact once it is done; until then there may be fewer."}
    )


class ComparisonFlips(ma.Schema):
    """How many items the draft sees in another way."""

    to_invalid = ma.fields.Integer(required=True, metadata={"description": "Were valid, would be invalid."})
    to_valid = ma.fields.Integer(required=True, metadata={"description": "Were invalid, would be valid."})
    otherwise = ma.fields.Integer(required=True, metadata={"description": "Same verdict, other findings."})


class ComparisonLinks(ma.Schema):
    """Where to go on."""

    self = ma.fields.String(required=True)
    cancel = ma.fields.String(metadata={"description": "While it is not over."})


class ComparisonState(ma.Schema):
    """Where a comparison is, and what it has counted so far."""

    id = ma.fields.UUID(required=True)
    ruleset = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=validate.OneOf([state.value for state in State]))
    reason = ma.fields.String(metadata={"description": "Why, when the state is failed."})
    requests = ma.fields.Integer(required=True, metadata={"description": "How many were asked for."})
    progress = ma.fields.Nested(ComparisonProgress, required=True)
    flips = ma.fields.Nested(ComparisonFlips, required=True)
    errors = ma.fields.Integer(
        required=True, metadata={"description": "Items on which a rule of the draft could not be evaluated."}
    )
    content_hash = ma.fields.String(
        required=True, metadata={"description": "SHA-256 of the draft as it was when this began, in hex."}
    )
    baseline = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The newest published version at that time."}
    )
    tables = ma.fields.Dict(
        required=True, metadata={"description": "Versions of the reference tables that the draft is judged with."}
    )
    created_at = ma.fields.DateTime(required=True)
    started_at = ma.fields.DateTime(metadata={"description": "Once a worker has taken it up."})
    finished_at = ma.fields.DateTime(metadata={"description": "Once it is over."})
    links = ma.fields.Nested(ComparisonLinks, required=True)


class ComparisonRule(ma.Schema):
    """One code, and how many items it has flipped. One item may count under several codes."""

    code = ma.fields.String(required=True)
    to_invalid = ma.fields.Integer(required=True, metadata={"description": "Items it would turn to invalid."})
    to_valid = ma.fields.Integer(required=True, metadata={"description": "Items that turn to valid without it."})
    appears = ma.fields.Integer(
        required=True, metadata={"description": "Items that keep their verdict and would have it in addition."}
    )
    disappears = ma.fields.Integer(
        required=True, metadata={"description": "Items that keep their verdict and would not have it any more."}
    )


class ComparisonMark(ma.Schema):
    """A finding, in short."""

    code = ma.fields.String(required=True)
    severity = ma.fields.String(required=True, validate=validate.OneOf(["error", "warning", "info"]))
    pointer = ma.fields.String(required=True)


class ComparisonExample(ma.Schema):
    """One item that the draft sees in another way."""

    request_id = ma.fields.UUID(required=True)
    item = ma.fields.Integer(required=True, metadata={"description": "Its position in the request, from 0."})
    kind = ma.fields.String(required=True, validate=validate.OneOf(KINDS))
    new = ma.fields.List(ma.fields.Nested(ComparisonMark), required=True, metadata={"description": "By the draft."})
    old = ma.fields.List(ma.fields.Nested(ComparisonMark), required=True, metadata={"description": "Until now."})


class ComparisonShape(ComparisonState):
    """A comparison with all that it has found so far."""

    class Meta:
        """The name it has in the description."""

        title = "Comparison"

    items = ma.fields.Integer(required=True, metadata={"description": "Items looked at."})
    judged_by = ma.fields.Dict(
        required=True, metadata={"description": "How many of the requests each version had judged."}
    )
    rules = ma.fields.List(
        ma.fields.Nested(ComparisonRule),
        required=True,
        metadata={"description": "Over the requests of all clients, the one with most flips first."},
    )
    examples = ma.fields.List(
        ma.fields.Nested(ComparisonExample),
        required=True,
        metadata={"description": "Only requests of the client that started this, and only for that client."},
    )


class ComparisonPage(ma.Schema):
    """A page of comparisons, newest first."""

    items = ma.fields.List(ma.fields.Nested(ComparisonState), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


@comparisons.route("", methods=["POST"], parameters=[NAME])
@scope(Scope.RULESETS_WRITE)
@comparisons.arguments(Comparing)
@comparisons.doc(parameters=[idempotency.PARAMETER])
@comparisons.response(
    202, ComparisonState, headers={**LOCATION, **RETRY_AFTER, **idempotency.HEADERS}, description="Begun."
)
def begin(comparing: dict[str, Any], name: str) -> Response:
    """Begin to compare the draft, as it is now, with the newest requests that the rule set has judged.

    Each is judged by the draft again, and that is held against what was found then. One comparison of a rule set runs
    at a time.
    """
    comparison_id, once = new_id(), idempotency.key(request, comparing)
    with platform().database.transaction() as session:
        made_id = claim(session, once, comparison_id) if once else comparison_id
        if made_id != comparison_id:
            return begun(comparison.find(session, known(name), made_id), answers.REPLAYED)
        asked, client_id = comparing["requests"], caller().client_id
        made = comparison.begin(session, known(name), comparison_id, client_id=client_id, asked=asked)
    comparison.send(platform().broker, made.id, made.step)
    return begun(made, {})


@comparisons.route("", parameters=[NAME])
@scope(Scope.RULESETS_READ)
@comparisons.doc(parameters=pages.PARAMETERS)
@comparisons.response(200, ComparisonPage)
def newest(name: str) -> Response:
    """List the comparisons of a rule set, newest first."""
    return pages.answer(
        lambda session, page: comparison.newest(session, known(name), before=page.after_id, limit=page.limit + 1),
        key=lambda each: each.id,
        shown=state,
    )


@comparisons.route("/<comparison_id>", parameters=[NAME, COMPARISON_ID])
@scope(Scope.RULESETS_READ)
@comparisons.doc(parameters=[etags.IF_NONE_MATCH])
@comparisons.response(200, ComparisonShape, headers=etags.ETAG)
@comparisons.alt_response(304, description="Known already.", success=True)
def read(name: str, comparison_id: str) -> Response:
    """See where a comparison is, and what it has found so far."""
    with platform().database.autocommit() as session:
        found = comparison.find(session, known(name), key(comparison_id))
    return etags.sealed(request, bodies.write(whole(found)))


@comparisons.route("/<comparison_id>/cancel", methods=["POST"], parameters=[NAME, COMPARISON_ID])
@scope(Scope.RULESETS_WRITE)
@comparisons.response(200, ComparisonShape, description="Canceled, now or before.")
def cancel(name: str, comparison_id: str) -> Response:
    """Cancel a comparison. What it has found so far stays."""
    with platform().database.transaction() as session:
        found = comparison.cancel(session, known(name), key(comparison_id), by=caller().client_id)
    return bodies.write(whole(found))


def begun(made: Comparison, headers: Mapping[str, str]) -> Response:
    """Return the answer to the call that has begun the comparison, now or before."""
    place, pause = URL.format(made.ruleset, made.id), str(RETRY_AFTER_S)
    return bodies.write(state(made), 202, {"Location": place, "Retry-After": pause, **headers})


def key(text: str) -> UUID:
    """Return the id that a path names. Raises ComparisonNotFound when no comparison can have it."""
    try:
        comparison_id = UUID(text)
    except ValueError:
        raise ComparisonNotFound("There is no such comparison.") from None
    if str(comparison_id) != text.lower():
        raise ComparisonNotFound("There is no such comparison.")
    return comparison_id


def state(found: Comparison) -> dict[str, Any]:
    """Return where the comparison is."""
    url = URL.format(found.ruleset, found.id)
    told: dict[str, Any] = {
        "id": found.id,
        "ruleset": found.ruleset,
        "state": found.state,
        "requests": found.asked,
        "progress": {"seen": found.seen, "total": found.total},
        "flips": {kind: getattr(found, kind) for kind in KINDS},
        "errors": found.errors,
        "content_hash": found.content_hash.hex(),
        "baseline": found.baseline,
        "tables": found.tables,
        "created_at": found.created_at,
        "links": {"self": url, "cancel": f"{url}/cancel"} if found.finished_at is None else {"self": url},
    }
    there = {"reason": found.reason, "started_at": found.started_at, "finished_at": found.finished_at}
    return told | {name: value for name, value in there.items() if value is not None}


def whole(found: Comparison) -> dict[str, Any]:
    """Return the comparison with its result, as far as the caller may see it."""
    result = found.result
    codes = result.get("codes", {}).items()
    rules = [{"code": code, **{part: parts.get(part, 0) for part in PARTS}} for code, parts in codes]
    rules.sort(key=lambda rule: (-rule["to_invalid"] - rule["to_valid"], -sum_of(rule), rule["code"]))
    is_own = found.client_id == caller().client_id
    return state(found) | {
        "items": result.get("items", 0),
        "judged_by": result.get("judged_by", {}),
        "rules": rules,
        "examples": result.get("examples", []) if is_own else [],
    }


def sum_of(rule: dict[str, Any]) -> int:
    """Return how many items a code has to do with."""
    return sum(rule[part] for part in PARTS)
