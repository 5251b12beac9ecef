"""Validation over HTTP: send items, see where the request is, wait for its answer.

An item that breaks rules, or a rule set that breaks down over it, is an answer and not an HTTP error.
"""

from http import HTTPStatus
from typing import Any

from flask import Response, request

from app.api import answers, bodies, etags, idempotency, languages, limits, pages, shapes
from app.api.current import caller, desk, platform
from app.api.openapi import Blueprint
from app.api.problems import fault
from app.api.reader import key
from app.api.shapes import Answer, DryAnswer, RequestState, Submission
from app.api.waits import Wait
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.errors import InvalidRequest

validation = Blueprint(
    "validation", __name__, url_prefix="/api/validation", description="Send items, and read what the rules say of them."
)

WAIT = {
    "in": "query",
    "name": "wait",
    "schema": {"type": "integer", "minimum": 0},
    "description": "Seconds to wait: at most 25, unless the operator says otherwise; more counts as that.",
}
DRY_RUN = {
    "in": "query",
    "name": "dry_run",
    "schema": {"type": "boolean", "default": False},
    "description": "`true`: judge the items at once and store nothing. There is nothing to wait for then, nor to "
    "be done twice: `wait`, `Prefer` and `Idempotency-Key` change nothing.",
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
RETRIES = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth to ask again."}}


@validation.route("/validate", methods=["POST"])
@scope(Scope.VALIDATIONS_WRITE)
@validation.arguments(Submission)
@validation.doc(parameters=[DRY_RUN, WAIT, PREFER, idempotency.PARAMETER, languages.PARAMETER])
@validation.response(
    200,
    {"oneOf": [Answer, DryAnswer]},
    headers={**languages.HEADER, **idempotency.HEADERS},
    description="Done within the wait, or before, where this is a repeat: the answer. Of a dry run: the verdict.",
)
@validation.alt_response(
    202,
    schema=RequestState,
    headers={**LOCATION, **RETRIES, **idempotency.HEADERS},
    description="Accepted; the answer will come.",
    success=True,
)
def validate(submission: dict[str, Any]) -> Response:
    """Have items validated.

    One item, or a list of items, by one rule set. Once this has answered 2xx the items are stored and will be
    answered; nothing is stored of a dry run.
    """
    is_dry, wait = dry(), wanted()
    items = items_of(submission, most=platform().settings.max_items)
    once = idempotency.key(request, submission)
    limits.charge(len(items) - 1)
    if is_dry:
        told = desk().dry_run(submission, items, language=language())
        return bodies.write(told.value, told.status, told.headers)
    told = desk().submit(submission, items, client_id=caller().client_id, wait=wait, language=language(), once=once)
    return bodies.write(told.value, told.status, told.headers)


@validation.route("/requests/<request_id>", parameters=[REQUEST_ID])
@scope(Scope.VALIDATIONS_READ)
@validation.doc(parameters=[etags.IF_NONE_MATCH])
@validation.response(200, RequestState, headers=etags.ETAG)
@validation.alt_response(304, description="Known already.", success=True)
def state(request_id: str) -> Response:
    """See where a request is. Never waits."""
    read = desk().reader(key(request_id), client_id=caller().client_id, language=language())
    return etags.sealed(request, bodies.write(answers.state(read.look())))


@validation.route("/requests/<request_id>/result", parameters=[REQUEST_ID])
@scope(Scope.VALIDATIONS_READ)
@validation.doc(parameters=[WAIT, PREFER, etags.IF_NONE_MATCH, languages.PARAMETER])
@validation.response(
    200, Answer, headers={**etags.ETAG, **languages.HEADER}, description="Done, or failed: the answer."
)
@validation.alt_response(
    202, schema=RequestState, headers=RETRIES, description="Still pending when the time was up.", success=True
)
@validation.alt_response(304, description="Known already.", success=True)
def result(request_id: str) -> Response:
    """Read the answer to a request, waiting for it if asked to."""
    told = desk().result(key(request_id), client_id=caller().client_id, wait=wanted(), language=language())
    response = bodies.write(told.value, told.status, told.headers)
    return etags.sealed(request, response) if told.status == HTTPStatus.OK else response


def wanted() -> Wait:
    """Return how long the caller wants to wait. Raises InvalidRequest."""
    longest_s = platform().settings.max_wait_s
    return Wait.of(request.args.get("wait"), request.headers.get("Prefer"), longest_s=longest_s)


def dry() -> bool:
    """Return whether nothing is to be stored. Raises InvalidRequest."""
    given = request.args.getlist("dry_run") or ["false"]
    if given not in (["true"], ["false"]):  # Both of them is neither: somebody may mean that nothing is stored.
        pages.refuse("dry_run", "The query parameter dry_run must be true or false.")
    return given == ["true"]


def language() -> str:
    """Return the language that the caller likes best."""
    return languages.chosen(request.headers.get("Accept-Language"))


def items_of(submission: dict[str, Any], *, most: int) -> list[Any]:
    """Return the items that were sent. Raises InvalidRequest when there are more than `most`."""
    items = shapes.items_of(submission)
    if len(items) > most:
        message = f"At most {most} items can be sent at once."
        raise InvalidRequest(message, errors=[fault("/items", "too_many_items", message, {"most": most})])
    return items
